"""Where the ledger stands in the log. The position moves in the transaction of its effects, and only forward."""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import NamedTuple

from psycopg2.extensions import cursor as Cursor

from pipeline.log import Watermark
from pipeline.rules.records import Fate

TopicPartition = tuple[str, int]


class Position(NamedTuple):
    """Everything before `next_offset` of this topic (and this very topic: `topic_id`) is in the ledger."""

    topic: str
    partition: int
    topic_id: str
    next_offset: int


class MadeAnew(NamedTuple):
    """A topic that is not the one the position belongs to, or that lost its end. Nothing of it is folded before an officer
    of ops adopts it.
    """

    position: Position
    log: Watermark

    def __str__(self) -> str:
        """What happened, and what to do."""
        p = self.position
        return (
            f"{p.topic}[{p.partition}] was made anew, or lost its end: the ledger stands at offset {p.next_offset} of topic id {p.topic_id},"
            f" the log has topic id {self.log.topic_id} with end {self.log.end}. Nothing of it is folded."
            f" See what would be read with `hcp positions adopt {p.topic} --dry-run`, then adopt it."
        )


_BY_TOPIC_ID = ("stream_position", "raw_block", "log_gap", "dead_letter", "office.dead_letter_action")
_SELECT = """
    select topic, partition, topic_id, next_offset from stream_position where retired_at is null and (topic, partition)
    in (select * from unnest(%s::text[], %s::smallint[])) order by topic, partition"""


def read(
    cursor: Cursor, partitions: Collection[TopicPartition], query: str = _SELECT
) -> dict[TopicPartition, Position]:
    """These positions, as far as there are any."""
    cursor.execute(query, [[topic for topic, _ in partitions], [partition for _, partition in partitions]])
    return {(row[0], row[1]): Position(*row) for row in cursor.fetchall()}


def read_all(cursor: Cursor, topics: Collection[str]) -> dict[TopicPartition, Position]:
    """Every position of these topics that is not retired."""
    cursor.execute(
        "select topic, partition, topic_id, next_offset from stream_position"
        " where retired_at is null and topic = any(%s) order by topic, partition",
        [list(topics)],
    )
    return {(row[0], row[1]): Position(*row) for row in cursor.fetchall()}


def lock(cursor: Cursor, partitions: Collection[TopicPartition]) -> dict[TopicPartition, Position]:
    """Lock and read these positions, in key order. Blocks while another transaction holds one."""
    return read(cursor, partitions, f"{_SELECT} for update")


def advance(cursor: Cursor, position: Position, end: int, fates: Mapping[Fate, int]) -> None:
    """Move a locked position to `end` and count what became of the records up to there."""
    cursor.execute(
        "update stream_position set next_offset = %s, moved_at = now(), records = records + %s, stored = stored + %s,"
        " duplicate = duplicate + %s, conflict = conflict + %s, dead_letter = dead_letter + %s, skipped = skipped + %s"
        " where topic = %s and partition = %s and topic_id = %s",
        [
            end,
            sum(fates.values()),
            *(fates[fate] for fate in Fate),
            position.topic,
            position.partition,
            position.topic_id,
        ],
    )


def reconcile(
    cursor: Cursor, partitions: Collection[TopicPartition], read_log: Callable[[], Iterable[Watermark]]
) -> tuple[dict[TopicPartition, int], list[MadeAnew]]:
    """Compare the log with the positions: returns where to read each partition from, and the topics made anew.

    The positions are read before the log, which they cannot outrun; a partition without a position begins at the log's start.
    A log whose start lies above the position has lost records to retention: that is written to `log_gap`, and reading goes on
    behind the loss. One whose end lies below it has lost its end: what was folded of it is set apart.
    """
    starts: dict[TopicPartition, int] = {}
    anew: list[MadeAnew] = []
    before = read(cursor, partitions)
    logs = [log for log in read_log() if (log.topic, log.partition) in partitions]
    now = lock(cursor, partitions)
    for log in logs:
        at = log.topic, log.partition
        if at not in now:
            starts[at] = _begin(cursor, log)
        elif now[at].topic_id != log.topic_id:
            anew.append(MadeAnew(now[at], log))
        elif at in before and log.end < before[at].next_offset:
            anew.append(MadeAnew(_set_apart(cursor, now[at]), log))
        else:
            starts[at] = _behind_loss(cursor, now[at], log)
    return starts, anew


def _begin(cursor: Cursor, log: Watermark) -> int:
    cursor.execute(
        "insert into stream_position (topic, partition, topic_id, first_offset, next_offset)"
        " values (%s, %s, %s, %s, %s) on conflict do nothing",
        [log.topic, log.partition, log.topic_id, log.start, log.start],
    )
    return log.start


def _set_apart(cursor: Cursor, position: Position) -> Position:
    """Keep what was folded of a log that lost its end under a topic id of its own: its offsets are given anew.

    So the loss stays known however far the log grows again, and adopting it reads what is left as a topic of its own.
    """
    topic, partition, topic_id, _ = position
    at = [topic, partition]
    cursor.execute("select count(*) from stream_position where topic = %s and partition = %s", at)
    apart = f"{topic_id}~{(cursor.fetchone() or [0])[0]}"
    for table in _BY_TOPIC_ID:
        cursor.execute(
            f"update {table} set topic_id = %s where topic = %s and partition = %s and topic_id = %s",
            [apart, *at, topic_id],
        )
    return position._replace(topic_id=apart)


def _behind_loss(cursor: Cursor, position: Position, log: Watermark) -> int:
    if log.start <= position.next_offset:
        return position.next_offset
    cursor.execute(
        "insert into log_gap (topic, partition, topic_id, from_offset, to_offset) values (%s, %s, %s, %s, %s)"
        " on conflict do nothing",
        [log.topic, log.partition, log.topic_id, position.next_offset, log.start],
    )
    advance(cursor, position, log.start, dict.fromkeys(Fate, 0))
    return log.start


def adopt(cursor: Cursor, log: Watermark) -> None:
    """Let a topic that was made anew, or lost its end, follow its predecessor: its position begins at the log's start.

    `log` was read after the position, which moves forward only; one that belongs to this log stays as it is.
    """
    at = log.topic, log.partition
    position = lock(cursor, {at}).get(at)
    if position and position.topic_id == log.topic_id:
        if position.next_offset <= log.end:
            return
        _set_apart(cursor, position)
    retire(cursor, log.topic, log.partition)
    _begin(cursor, log)


def retire(cursor: Cursor, topic: str, partition: int) -> None:
    """Set aside the position in a log that is gone: its counts stay, nobody waits for it."""
    cursor.execute(
        "update stream_position set retired_at = now() where topic = %s and partition = %s and retired_at is null",
        [topic, partition],
    )
