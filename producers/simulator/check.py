"""The ledger against what was sent: every event that was taken is there, once, and nothing besides. Read-only."""

import time
from collections import Counter
from collections.abc import Iterator

from sqlalchemy import Connection, text

from pipeline.ledger.engine import opened_engine
from pipeline.settings import Settings
from producers.simulator.expect import Expect

SHOWN = 5
LOOK_SECONDS = 1.0
_CASES = """select event_id from service where case_no like :prefix and not placeholder
    union all select event_id from case_version where case_no like :prefix"""
_REVIEWS = "select event_id from review where case_no like :prefix"
_STANDALONE = "select event_id from review where case_no = '' and event_id = any(:ids)"
_SERVICES = "select count(*) from service where case_no like :prefix and not placeholder"
_CONFLICTS = (
    """select count(*) from review where case_no like :prefix and not effective and channel <> 'default'"""
)
_TICKETS = """select (select count(*) from ticket where case_no like :prefix)
    + (select count(*) from ticket where case_no = '' and event_id = any(:ids))"""
_CHANNELS = """select channel, count(*) from review
    where case_no like :prefix or (case_no = '' and event_id = any(:ids)) group by channel"""


def check(settings: Settings, expect: Expect, seconds: float = 0.0) -> list[str]:
    """What is wrong, in sentences; empty if nothing is. Looks again for so long, until all is there. Blocks.

    Raises sqlalchemy errors when the database is away.
    """
    deadline = time.monotonic() + seconds
    with opened_engine(
        settings.database, "simulate", pool_size=1, default_transaction_read_only="on"
    ) as pool:
        while True:
            with pool.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
                wrong = list(_differences(connection, expect))
            if not wrong or time.monotonic() > deadline:
                return wrong
            time.sleep(LOOK_SECONDS)


def _differences(connection: Connection, expect: Expect) -> Iterator[str]:
    about = {"prefix": f"{expect.case_prefix}%", "ids": [*expect.standalone, *expect.unanswered]}
    unsure = set(expect.unanswered)
    for what, query, ids in (
        ("case records", _CASES, expect.cases),
        ("reviews of a case", _REVIEWS, expect.reviews),
        ("reviews without a case", _STANDALONE, expect.standalone),
    ):
        held = Counter(connection.scalars(text(query), about).all())
        yield from _of_ids(what, held, ids, unsure)
    for what, query, want in (
        ("services", _SERVICES, expect.services),
        ("conflicts", _CONFLICTS, expect.conflicts),
        ("tickets", _TICKETS, expect.tickets),
    ):
        yield from _of_number(what, connection.scalar(text(query), about) or 0, want, len(unsure))
    by_channel = {row[0]: row[1] for row in connection.execute(text(_CHANNELS), about)}
    for channel in sorted({*by_channel, *expect.channels}):
        held_of_it, want = by_channel.get(channel, 0), expect.channels.get(channel, 0)
        yield from _of_number(f"reviews by {channel}", held_of_it, want, len(unsure))


def _of_ids(what: str, held: Counter[str], ids: list[str], unsure: set[str]) -> Iterator[str]:
    missing = [name for name in ids if name not in held]
    twice = [name for name, many in held.items() if many > 1]
    foreign = list(held.keys() - set(ids) - unsure)
    for kind, names in (("lost", missing), ("there twice", twice), ("there and never taken", foreign)):
        if names:
            yield f"{what} {kind}: {len(names)} ({', '.join(sorted(names)[:SHOWN])})"


def _of_number(what: str, held: int, want: int, unsure: int) -> Iterator[str]:
    """What was not answered may have come or not."""
    if not want <= held <= want + unsure:
        yield f"{what}: the ledger has {held}, it must be {want}"
