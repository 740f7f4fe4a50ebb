"""Putting a replayed ledger in the live one's place, in one transaction, while workers run."""

import time
from contextlib import nullcontext
from typing import NamedTuple
from uuid import UUID

from psycopg2 import errorcodes
from psycopg2.errors import OperationalError as PgError
from psycopg2.extensions import cursor as Cursor
from sqlalchemy import Engine, text

from pipeline.clock import utc_now
from pipeline.ledger import reroute, tables
from pipeline.ledger.engine import transaction
from pipeline.ledger.failures import Stop
from pipeline.ledger.fold import Folder
from pipeline.ledger.verify import verify
from pipeline.replay import register, telling
from pipeline.replay.folding import fold
from pipeline.replay.register import Replay
from pipeline.replay.run import READ_ONLY, folder_of, opened, source_of, todo
from pipeline.replay.source import Source
from pipeline.replay.spans import spans
from pipeline.sealing import Sealer
from pipeline.settings import Settings

LOCK_TIMEOUT = "400ms"
"""Less than PostgreSQL's deadlock check waits: of two that wait for each other, it is the swap that steps back."""
TRIES = 150
PAUSE_SECONDS = 0.2
NOT_LEVEL = """
    select coalesce(b.topic, a.topic), coalesce(b.partition, a.partition), b.next_offset, a.next_offset
    from {before}.stream_position b full join {after}.stream_position a using (topic, partition, topic_id)
    where (b.first_offset, b.next_offset, b.records, b.retired_at) is distinct from
        (a.first_offset, a.next_offset, a.records, a.retired_at)"""


class _ReroutesLeft(Exception):
    """What was folded under the lock left tickets to be rerouted."""


class Accepted(NamedTuple):
    """`kept_as`: the schema of the ledger before; `told`: rows that the log will be told; `missing`: tickets that people
    worked on and that the new ledger does not have, flagged in `office.replay_finding`.
    """

    kept_as: str
    told: int
    missing: list[UUID]


def accept(settings: Settings, schema: str, by: str, why: str) -> Accepted:
    """Make this replay the ledger. Blocks; workers wait for it, and go on in the new ledger without a restart.

    1. Refuse what was limited, folded by other rules, or made for other tables.
    2. Catch up with the live ledger, and verify.
    3. In one transaction: lock the live ledger's tables, fold what came meanwhile, demand equal positions.
    4. Take the outbox along, add what is new; flag worked-on tickets that are gone; rename; write who, when and why.
    Raises Stop with a sentence; the live ledger is then as it was.
    """
    with opened(settings) as pool, register.claimed(pool, schema):
        with pool.connect() as connection:
            replay = register.find(connection, schema)
            _refuse(settings, replay, register.revision(connection, settings))
        with opened(settings, READ_ONLY) as live, opened(replay.settings(settings)) as replayed:
            folder = folder_of(live, settings, replay)
            fold(source_of(live, settings, replay), replayed, folder, todo(live, settings, replay))
        _demand_whole(settings, replay)
        return _swap(pool, settings, replay, folder, by, why)


def _refuse(settings: Settings, replay: Replay, revision: str) -> None:
    if limits := [*replay.since, *replay.until]:
        raise Stop(
            f"{replay.schema} is not whole, it was limited ({', '.join(limits)}): replay without --from and --to"
        )
    if replay.revision != revision:
        raise Stop(f"{replay.schema} was made before the last migration: drop it, and replay again")
    now = settings.rules.model_dump()
    other = [
        f"HCP_RULES__{name.upper()}={value}" for name, value in replay.rules.items() if now.get(name) != value
    ]
    if other:
        raise Stop(
            f"{replay.schema} was folded by other rules than the workers': set {' '.join(other)}, restart the workers,"
            " then accept it"
        )


def _demand_whole(settings: Settings, replay: Replay) -> None:
    """What the log lost before it was read is lost in both."""
    found = [finding for finding in verify(replay.settings(settings)) if "log lost" not in finding.check]
    if found:
        raise Stop(f"{replay.schema} is not accepted, `hcp verify` finds in it: {'; '.join(map(str, found))}")


def _swap(pool: Engine, settings: Settings, replay: Replay, folder: Folder, by: str, why: str) -> Accepted:
    """Try until nobody else holds the ledger's tables: each try keeps the others waiting for less than a second.

    The tickets that the replay's fold has left to be rerouted are rerouted first, and never while the others wait: else the
    log would be told their old departments.
    """
    for _ in range(TRIES):
        with opened(replay.settings(settings)) as replayed:
            reroute.finish(replayed, folder)
        try:
            with transaction(pool) as cursor:
                lock(cursor)
                return _exchange(cursor, settings, replay, folder, by, why)
        except _ReroutesLeft:
            continue
        except PgError as error:
            if error.pgcode not in {errorcodes.LOCK_NOT_AVAILABLE, errorcodes.DEADLOCK_DETECTED}:
                raise
        time.sleep(PAUSE_SECONDS)
    raise Stop(
        "somebody reads or writes the live ledger all the time (a report, `hcp verify`, a backup?): try again later"
    )


def lock(cursor: Cursor) -> None:
    """Nobody reads or writes the live ledger from here to the end of the transaction.

    A fold locks positions first, and so does this: no fold is ever half in the old ledger and half in the new. Whoever
    waits for a table looks its name up again afterwards, and finds the new one.
    """
    cursor.execute(f"set local lock_timeout = '{LOCK_TIMEOUT}'")
    names = ["stream_position", *sorted(set(tables.ledger.tables) - {"stream_position"})]
    cursor.execute(f"lock table {', '.join(names)} in access exclusive mode")


def _exchange(
    cursor: Cursor, settings: Settings, replay: Replay, folder: Folder, by: str, why: str
) -> Accepted:
    before, after = settings.database.ledger_schema, replay.schema
    kept_as = f"{before}_until_{utc_now():%Y%m%d_%H%M%S_%f}"
    _fold_rest(cursor, settings, replay, folder)
    _demand_level(cursor, before, after)
    cursor.execute(f"select from {after}.reroute limit 1")
    if cursor.rowcount:
        raise _ReroutesLeft
    news = telling.rows(cursor, before, after)
    cursor.execute(f"drop table {after}.outbox; alter table {before}.outbox set schema {after}")
    missing = _flag(cursor, before, after)
    cursor.execute(f"alter schema {before} rename to {kept_as}; alter schema {after} rename to {before}")
    cursor.execute(f"create table {kept_as}.outbox (like outbox including all)")
    telling.add(cursor, news)
    cursor.execute(
        "update office.replay set state = 'accepted', ended_by = %s, ended_at = now(), why = %s, kept_as = %s"
        " where schema = %s",
        [by, why, kept_as, replay.schema],
    )
    return Accepted(kept_as, len(news), missing)


def _fold_rest(cursor: Cursor, settings: Settings, replay: Replay, folder: Folder) -> None:
    """What came since the last catching up: read under the lock, folded by another connection."""
    source = Source(lambda: nullcontext(cursor), Sealer(settings.seal), settings.kafka)
    with opened(replay.settings(settings)) as replayed:
        fold(source, replayed, folder, spans(cursor, settings.kafka))


def _demand_level(cursor: Cursor, before: str, after: str) -> None:
    cursor.execute(NOT_LEVEL.format(before=before, after=after))
    if rows := cursor.fetchall():
        stands = "; ".join(f"{row[0]}[{row[1]}]: live {row[2]}, replayed {row[3]}" for row in rows)
        raise Stop(
            f"{after} does not stand where the live ledger stands ({stands}): `hcp replay resume {after}` first"
        )


def _flag(cursor: Cursor, before: str, after: str) -> list[UUID]:
    """Tickets with steps that the new ledger does not have: flagged, no step is lost."""
    cursor.execute(
        f"""insert into office.replay_finding (schema, ticket_id, steps)
        select %s, ticket_id, count(*) from office.ticket_step s join {before}.ticket using (ticket_id)
        where not exists (select from {after}.ticket t where t.ticket_id = s.ticket_id)
        group by ticket_id returning ticket_id""",
        [after],
    )
    return [UUID(str(row[0])) for row in cursor.fetchall()]


def drop(settings: Settings, schema: str, by: str, why: str) -> None:
    """Remove a replay that is not wanted; its entry stays. Blocks. Raises Stop if somebody works on it."""
    with opened(settings) as pool, register.claimed(pool, schema), pool.begin() as connection:
        register.find(connection, schema)
        connection.execute(text(f"drop schema if exists {schema} cascade"))
        register.end(connection, schema, "dropped", by, why)
