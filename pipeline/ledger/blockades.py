"""Partitions that stand still because a record fails of itself, and records that people had the fold step over."""

from collections.abc import Collection
from typing import Any

from psycopg2.extensions import cursor as Cursor

from pipeline.ledger.positions import TopicPartition

STANDING = """
    select b.topic, b.partition, b."offset", b.component, b.error, b.since
    from office.blocked_partition b join stream_position p
        on (p.topic, p.partition) = (b.topic, b.partition) and p.retired_at is null and p.next_offset <= b."offset"
    order by 1, 2"""
"""Those of a worker that was killed are forgotten once somebody else has folded the record."""
_STEP_OVER = """
    select s.topic, s.partition, s."offset", s.why from office.position_skip s
    join stream_position p using (topic, partition, topic_id) where p.retired_at is null"""


def sentence(topic: str, partition: int, offset: int, error: str) -> str:
    """What happened to which record, and what to do."""
    return (
        f"{topic}[{partition}] stands still at offset {offset}: {error}. The other partitions are folded, and this record is"
        f" tried every few seconds. If the cause cannot be mended: `hcp positions skip {topic}/{partition}/{offset} --why …`"
    )


def record(cursor: Cursor, component: str, blockade: Any) -> None:
    """Say that this partition stands still. `blockade` has topic, partition, offset, error and since. Blocks."""
    cursor.execute(
        'insert into office.blocked_partition (topic, partition, "offset", component, error, since)'
        " values (%s, %s, %s, %s, %s, %s) on conflict (topic, partition) do update"
        ' set "offset" = excluded."offset", component = excluded.component, error = excluded.error,'
        " since = excluded.since",
        [blockade.topic, blockade.partition, blockade.offset, component, blockade.error, blockade.since],
    )


def remove(cursor: Cursor, partitions: Collection[TopicPartition]) -> None:
    """These move again, or somebody else has them now. Blocks."""
    cursor.execute(
        "delete from office.blocked_partition where (topic, partition) in"
        " (select * from unnest(%s::text[], %s::smallint[]))",
        [[topic for topic, _ in partitions], [partition for _, partition in partitions]],
    )


def step_over(cursor: Cursor) -> dict[TopicPartition, dict[int, str]]:
    """Partition → offset → why: what people had the fold step over, of the topics that there are now. Blocks."""
    cursor.execute(_STEP_OVER)
    found: dict[TopicPartition, dict[int, str]] = {}
    for topic, partition, offset, why in cursor.fetchall():
        found.setdefault((topic, partition), {})[offset] = why
    return found
