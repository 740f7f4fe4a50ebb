"""`hcp positions skip`: a record that is in the way is stepped over, with a fate, a dead letter and an entry."""

import time
from typing import NamedTuple

from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor
from sqlalchemy import Engine

from pipeline.ledger.engine import opened_engine, transaction
from pipeline.ledger.failures import Stop
from pipeline.ledger.fold import Folder
from pipeline.ledger.portion import Portion, Record, Unreadable
from pipeline.ledger.positions import Position, lock
from pipeline.log import watermarks
from pipeline.sealing import Sealer
from pipeline.settings import Settings
from schemas.events import Reason
from schemas.topics import INPUTS

PATIENCE_SECONDS = 20.0
"""So long a worker that lives is given to step over the record itself: it has the record's bytes, and keeps them."""
LOOK_SECONDS = 0.5


class Place(NamedTuple):
    """Where a record lies."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        """As people write it."""
        return f"{self.topic}/{self.partition}/{self.offset}"


def place(words: str) -> Place:
    """`topic/partition/offset`. Raises Stop."""
    topic, _, rest = words.partition("/")
    partition, _, offset = rest.partition("/")
    if not (topic and partition.isdecimal() and offset.isdecimal()):
        raise Stop(f"{words} is no place of a record: TOPIC/PARTITION/OFFSET is one, see `hcp status`")
    return Place(topic, int(partition), int(offset))


def skip(settings: Settings, at: Place, why: str, by: str) -> str:
    """Have the fold step over this record; says what became of it. Blocks, for half a minute at most.

    Raises Stop if it was folded already, is not in the log, or lies behind others that were not folded.
    """
    with opened_engine(settings.database, "positions") as pool:
        _enter(pool, settings, at, why, by)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            if _position(pool, at).next_offset > at.offset:
                return _passed(pool, at)
            time.sleep(LOOK_SECONDS)
        return _step_over(pool, settings, at, why)


def _enter(pool: Engine, settings: Settings, at: Place, why: str, by: str) -> None:
    ends = {(mark.topic, mark.partition): mark.end for mark in watermarks(settings.kafka)}
    position = _position(pool, at)
    if at.offset >= ends.get((at.topic, at.partition), 0):
        raise Stop(f"{at} is not in the log: it ends at {ends.get((at.topic, at.partition), 0)}")
    if at.offset < position.next_offset:
        raise Stop(f"{at} is folded already, the ledger stands at {position.next_offset}: see `hcp dlq list`")
    with transaction(pool) as cursor:
        cursor.execute(
            'insert into office.position_skip (topic, partition, "offset", topic_id, why, actor)'
            " values (%s, %s, %s, %s, %s, %s) on conflict do nothing",
            [*at, position.topic_id, why, by],
        )


def _position(pool: Engine, at: Place) -> Position:
    with transaction(pool) as cursor:
        found = lock(cursor, {(at.topic, at.partition)})
    if not found:
        raise Stop(f"the ledger has no position in {at.topic}[{at.partition}]: see `hcp positions list`")
    return found[at.topic, at.partition]


def _passed(pool: Engine, at: Place) -> str:
    """What a worker did with it. It may have gone in by itself in that moment: then nothing was stepped over, ever."""
    with transaction(pool) as cursor:
        cursor.execute(
            'select from dead_letter where (topic, partition, "offset", reason) = (%s, %s, %s, %s)',
            [*at, Reason.STEPPED_OVER],
        )
        if cursor.fetchone() is not None:
            return f"{at} was stepped over; its bytes are kept: `hcp dlq show {at} --body`"
        cursor.execute(
            'delete from office.position_skip where (topic, partition, "offset") = (%s, %s, %s)', [*at]
        )
    return f"{at} was not stepped over: a worker has just folded it"


def _step_over(pool: Engine, settings: Settings, at: Place, why: str) -> str:
    """No worker has done it: do it here, without the record's bytes, which lie in the log."""
    stands = _position(pool, at).next_offset
    if stands < at.offset:
        raise Stop(
            f"noted, but the ledger stands at {stands}, and what lies before {at} is not folded: is a worker running?"
            " see `hcp status`; if the record at that offset is the one in the way, skip that one"
        )
    letter = Unreadable(Reason.STEPPED_OVER, why, {})
    record = Record(at.offset, time.time_ns() // 1_000_000, None, (), letter)
    stream = next(stream for stream in INPUTS if settings.kafka.topic(stream) == at.topic)
    portion = Portion(stream, at.topic, at.partition, at.offset, at.offset + 1, [record])
    folder = Folder(settings.rules.policy(), Sealer(settings.seal))
    connection: Connection = pool.raw_connection().driver_connection  # type: ignore[assignment]  # psycopg2's
    folder.fold(connection, [folder.decode(portion)])
    return f"{at} was stepped over; no worker had it, so its bytes are in the log alone"


def replayed(cursor: Cursor, topic: str, partition: int, topic_id: str) -> dict[int, str]:
    """Offset → why: what people had the fold step over in this very topic. Blocks."""
    cursor.execute(
        'select "offset", why from office.position_skip where topic = %s and partition = %s and topic_id = %s',
        [topic, partition, topic_id],
    )
    return dict(cursor.fetchall())
