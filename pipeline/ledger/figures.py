"""What the ledger knows at one moment: positions, fates, outcomes, rates, tickets. One snapshot, for status and metrics.

What depends on the time asked (pending, unreviewed, unmatched, orphan; `domain.md`, 3) is computed here and never stored.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, text

from pipeline.ledger import device_list, inspection
from pipeline.ledger.blockades import STANDING
from pipeline.ledger.coverage import CHANNEL_DAYS, coverage
from pipeline.ledger.dead_letters import count_open
from pipeline.ledger.rate import Rate
from pipeline.ledger.shared_numbers import SharedNumber, count_shared, shared_numbers
from pipeline.rules.inspection import rules
from pipeline.rules.measures import MEASURES
from pipeline.rules.records import Fate
from pipeline.settings import Settings
from schemas.codes import Channel, HandlingMode
from schemas.events import REASONS
from schemas.tickets import CLOSED, State

Row = Mapping[str, Any]
MOST_SHARED = 5
"""So many are named; the desk's page has more."""


class Dear(NamedTuple):
    """What takes a look at every review or every service: seconds, in a large ledger.

    `devices` by what they ask of a person, their faults by kind; `inspection`: case records that fail, by rule.
    `shared_numbers`: services with many more records than one citizen gives; `most_shared`: the first of them.
    """

    coverage: dict[str, Rate]
    channels: dict[str, int]
    devices: dict[str, int]
    device_faults: dict[str, int]
    inspection: dict[str, int]
    shared_numbers: int
    most_shared: list[SharedNumber]


class Figures(NamedTuple):
    """`fates` by topic; `services` by handling mode; `tickets` by state, all states; `dead_letters` by reason, done with or not.
    The last seven are those of `Dear`.
    """

    asked_at: datetime
    positions: list[Row]
    fates: dict[str, dict[str, int]]
    reviews: dict[str, int]
    services: dict[str, dict[str, int]]
    sums: dict[str, int]
    tickets: dict[str, int]
    tickets_overdue: int
    dead_letters: dict[str, int]
    dead_letters_open: int
    gaps: list[Row]
    blocked: list[Row]
    repairs: int
    outbox_unsent: int
    outbox_oldest_seconds: float
    outbox_set_aside: int
    components: list[Row]
    coverage: dict[str, Rate]
    channels: dict[str, int]
    devices: dict[str, int]
    device_faults: dict[str, int]
    inspection: dict[str, int]
    shared_numbers: int
    most_shared: list[SharedNumber]

    def review_rate(self, mode: str) -> Rate:
        """Services reviewed ÷ (reviewed + unreviewed); pending ones are in neither (D5)."""
        counts = self.services[mode]
        return Rate(counts["reviewed"], counts["reviewed"] + counts["unreviewed"])

    def quality(self) -> dict[str, Rate]:
        """Rates over effective first reviews, without defaults, and over records (`domain.md`, 4)."""
        s = self.sums
        given = [s[f"level_{level}"] for level in range(1, 6)]
        defaults = sum(s[f"default_{level}"] for level in range(1, 6))
        return {
            "active": Rate(sum(given), sum(given) + defaults),
            "good": Rate(sum(given[2:]), sum(given)),
            "bad": Rate(sum(given[:2]), sum(given)),
            "inspection_passed": Rate(s["cases_passed"], s["case_records"]),
            "cases_on_time": Rate(s["cases_on_time"], s["services"]),
            "reviews_on_time": Rate(s["reviews_on_time"], s["review_records"]),
        }


def dear(connection: Connection) -> Dear:
    """Those that are dear to ask for, as of now. Blocks, for seconds if there are many reviews."""
    asked_at = connection.scalar(text("select now()"))
    devices = device_list.devices(connection, asked_at)
    return Dear(
        coverage(connection),
        {channel.value: 0 for channel in Channel} | _pairs(connection, _CHANNELS, days=CHANNEL_DAYS),
        device_list.needs(devices, asked_at),
        device_list.faults(devices),
        _failures(connection),
        count_shared(connection),
        shared_numbers(connection, MOST_SHARED),
    )


def figures(connection: Connection, settings: Settings, known: Dear | None = None) -> Figures:
    """The figures as of now, by the database's clock. Blocks. One snapshot if the connection's isolation says so.

    `known`: those that are dear to ask for, if somebody has just asked.
    """
    asked_at = connection.scalar(text("select now()"))
    window = settings.rules.policy().window
    waiting = _rows(connection, _WAITING, open_after=asked_at - window)
    sums = _sums(connection)
    tickets = dict.fromkeys(State, 0) | _pairs(connection, _TICKETS)
    unsent, oldest = connection.execute(text(_UNSENT)).one()
    return Figures(
        asked_at,
        _rows(connection, "select * from stream_position where retired_at is null order by topic, partition"),
        _fates(connection),
        _reviews(sums, waiting),
        {mode.value: _services(connection, mode, waiting) for mode in HandlingMode},
        sums,
        tickets,
        connection.scalar(text(_OVERDUE), {"closed": list(CLOSED)}) or 0,
        dict.fromkeys(REASONS, 0) | _pairs(connection, "select reason, count(*) from dead_letter group by 1"),
        count_open(connection),
        _rows(
            connection, "select topic, partition, from_offset, to_offset, found_at from log_gap order by 5"
        ),
        _rows(connection, STANDING),
        connection.scalar(text("select count(*) from repair")) or 0,
        unsent,
        float(oldest),
        connection.scalar(text("select count(*) from outbox where set_aside_at is not null")) or 0,
        _rows(
            connection,
            "select name, state, at, error, error_at, starts, started from office.component order by name",
        ),
        *(known or dear(connection)),
    )


_WAITING = """
    select placeholder, handling_mode, open_since > :open_after as still_open, count(*) as n
    from service where open_since is not null group by 1, 2, 3"""
_LAST_STATE = """
    select t.*, coalesce(s.state, 'new') as state from ticket t left join lateral (
        select state from office.ticket_step s where s.ticket_id = t.ticket_id order by step_no desc limit 1) s on true"""
_TICKETS = f"select state, count(*) from ({_LAST_STATE}) t group by 1"
_OVERDUE = f"select count(*) from ({_LAST_STATE}) t where due_at < now() and not state = any(:closed)"
_UNSENT = """
    select count(*), coalesce(extract(epoch from now() - min(coalesce(retried_at, created_at))), 0)
    from outbox where sent_at is null and set_aside_at is null"""
_CHANNELS = """
    select channel, count(*) from review where received_at > now() - make_interval(days => :days) group by 1"""


def _rows(connection: Connection, query: str, **parameters: Any) -> list[Row]:
    return [row._asdict() for row in connection.execute(text(query), parameters)]


def _pairs(connection: Connection, query: str, **parameters: Any) -> dict[str, int]:
    return {row[0]: row[1] for row in connection.execute(text(query), parameters)}


def _sums(connection: Connection) -> dict[str, int]:
    columns = ", ".join(f"coalesce(sum({name}), 0)::bigint as {name}" for name in MEASURES)
    return connection.execute(text(f"select {columns} from counter")).one()._asdict()


def _fates(connection: Connection) -> dict[str, dict[str, int]]:
    columns = ", ".join(f"sum({fate.value})::bigint as {fate.value}" for fate in Fate)
    rows = _rows(connection, f"select topic, {columns} from stream_position group by 1 order by 1")
    return {row["topic"]: {fate.value: row[fate.value] for fate in Fate} for row in rows}


def _reviews(sums: Mapping[str, int], waiting: list[Row]) -> dict[str, int]:
    """Effective first reviews by outcome; the five add up."""
    alone = {
        still: sum(r["n"] for r in waiting if r["placeholder"] and r["still_open"] is still)
        for still in (True, False)
    }
    return {
        "matched": sums["matched"],
        "matched_late": sums["matched_late"],
        "orphan": alone[False],
        "unmatched": alone[True],
        "standalone": sums["standalone"],
    }


def _services(connection: Connection, mode: HandlingMode, waiting: list[Row]) -> dict[str, int]:
    mine = [row for row in waiting if not row["placeholder"] and row["handling_mode"] == mode.value]
    query = text("select coalesce(sum(reviewed), 0)::bigint from counter where handling_mode = :mode")
    return {
        "reviewed": connection.scalar(query, {"mode": mode.value}) or 0,
        "unreviewed": sum(row["n"] for row in mine if not row["still_open"]),
        "pending": sum(row["n"] for row in mine if row["still_open"]),
    }


def _failures(connection: Connection) -> dict[str, int]:
    """Case records that fail, by rule; every rule is there."""
    found = dict.fromkeys(rules(), 0)
    for (_, rule), records in inspection.failures(connection).items():
        found[rule] += records
    return found
