"""What is replayed: for each partition of each topic that the ledger has read, a range of offsets."""

import bisect
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from psycopg2.extensions import cursor as Cursor

from pipeline.ledger.failures import Stop
from pipeline.ledger.raw import Damaged, RawRecord, unpack
from pipeline.settings import Kafka
from schemas.topics import INPUTS, Stream


class Span(NamedTuple):
    """Offsets [`start`, `end`) of this partition of this very topic (`topic_id`).

    `round`: 0, or how many topics of this name were there before it, each adopted in its turn; `begun_at`: when it was.
    """

    stream: Stream
    topic: str
    partition: int
    topic_id: str
    start: int
    end: int
    round: int
    begun_at: datetime | None


class Place(NamedTuple):
    """A limit by place: `topic/partition/offset`, in the topic that there is now."""

    topic: str
    partition: int
    offset: int


_POSITIONS = """
    select topic, partition, topic_id, first_offset, next_offset, row_number() over w - 1 as round,
        lag(retired_at) over w as begun_at
    from stream_position window w as (partition by topic, partition order by retired_at nulls last)
    order by topic, partition, round"""


def spans(cursor: Cursor, kafka: Kafka, since: Iterable[str] = (), until: Iterable[str] = ()) -> list[Span]:
    """Everything that the live ledger has read, within these limits, rounds in their order. Blocks.

    Raises Stop for a limit that names nothing, and for positions in topics that the settings do not name.
    """
    streams = {kafka.topic(stream): stream for stream in INPUTS}
    cursor.execute(_POSITIONS)
    rows = cursor.fetchall()
    if foreign := {row[0] for row in rows} - set(streams):
        raise Stop(f"the ledger has read {', '.join(sorted(foreign))}: no topics of HCP_KAFKA__TOPIC_PREFIX")
    whole = [Span(streams[row[0]], *row) for row in rows]
    last = {(span.topic, span.partition): span.round for span in whole}
    starts, ends = [_limit(words, last) for words in since], [_limit(words, last) for words in until]
    return [
        _cut(cursor, span, starts, ends, current=span.round == last[span.topic, span.partition])
        for span in whole
    ]


def limit(words: str, zone: ZoneInfo | None = None) -> Place | datetime:
    """`topic/partition/offset`, or a time; one without an offset is of this zone. Raises Stop."""
    parts = words.rsplit("/", 2)
    if len(parts) == 3 and parts[1].isdigit() and parts[2].isdigit():
        return Place(parts[0], int(parts[1]), int(parts[2]))
    try:
        at = datetime.fromisoformat(words)
    except ValueError:
        raise Stop(
            f"{words!r} is neither topic/partition/offset nor a time like 2026-11-23T08:00:00+08:00"
        ) from None
    return at if at.tzinfo else at.replace(tzinfo=zone)


def anchored(words: str, zone: ZoneInfo) -> str:
    """A limit as it is kept: its time with an offset. Raises Stop."""
    made = limit(words, zone)
    return words if isinstance(made, Place) else made.isoformat()


def _limit(words: str, known: Collection[tuple[str, int]]) -> Place | datetime:
    made = limit(words)
    if isinstance(made, Place) and made[:2] not in known:
        raise Stop(f"{words}: the ledger has read nothing of {made.topic}[{made.partition}]")
    return made


def _cut(
    cursor: Cursor, span: Span, since: list[Place | datetime], until: list[Place | datetime], *, current: bool
) -> Span:
    """The span within the limits; empty if it lies outside of them."""
    start = max([span.start, *(_offset(cursor, span, one, span.start, current=current) for one in since)])
    end = min([span.end, *(_offset(cursor, span, one, span.end, current=current) for one in until)])
    start = min(start, span.end)
    return span._replace(start=start, end=max(start, end))


def _offset(cursor: Cursor, span: Span, at: Place | datetime, else_: int, *, current: bool) -> int:
    """The offset that a limit means in this span. A place in a topic lies behind all of the topics before it."""
    if isinstance(at, datetime):
        return _offset_at(cursor, span, at)
    if (at.topic, at.partition) != (span.topic, span.partition):
        return else_
    return at.offset if current else span.end


def _offset_at(cursor: Cursor, span: Span, at: datetime) -> int:
    """The first offset whose record the log took at this time or later; the span's end if there is none."""
    cursor.execute(
        "select first_offset from raw_block where topic = %s and partition = %s and topic_id = %s and records > 0"
        " order by 1",
        span[1:4],
    )
    firsts = [row[0] for row in cursor.fetchall()]
    at_ms = at.timestamp() * 1000
    n = bisect.bisect_left(firsts, at_ms, key=lambda first: _records(cursor, span, first)[-1].timestamp)
    if n == len(firsts):
        return span.end
    return next(r.offset for r in _records(cursor, span, firsts[n]) if r.timestamp >= at_ms)


def _records(cursor: Cursor, span: Span, first: int) -> list[RawRecord]:
    cursor.execute(
        "select data from raw_block where topic = %s and partition = %s and topic_id = %s and first_offset = %s",
        [*span[1:4], first],
    )
    try:
        return unpack(bytes(cursor.fetchone()[0]))  # type: ignore[index]  # it was there a moment ago
    except Damaged as error:
        raise damaged(span, first, error) from None


def damaged(span: Span, first: int, error: Exception) -> Stop:
    """What to say of a block that cannot be read."""
    return Stop(
        f"the raw block of {span.topic}[{span.partition}] that begins at offset {first} is damaged ({error}):"
        " restore it from a backup of the database, or replay with `--source log` if the log still has it"
    )
