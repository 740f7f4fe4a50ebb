"""Positions that stand still: the log has had more for a while, and nothing of it is folded."""

from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple

from sqlalchemy import Connection, text

from pipeline import log
from pipeline.ledger.blockades import STANDING, sentence
from pipeline.log import Watermark
from pipeline.settings import Kafka

STILL = timedelta(seconds=60)
"""So long a record may wait, and its position stand, before that is a fault: a worker that was killed is back in a third of it."""
_UNMOVED = """
    select topic, partition, next_offset from stream_position
    where retired_at is null and moved_at < now() - cast(:still as interval)"""


class Still(NamedTuple):
    """A partition that stands still: from which offset, and the record that is in the way if the worker knows one."""

    topic: str
    partition: int
    offset: int
    sentence: str


def standing(connection: Connection, kafka: Kafka, marks: Sequence[Watermark]) -> list[Still]:
    """Those that stand still, by what their worker says and by what the log has had for a minute. Blocks.

    `marks`: the log's. Raises KafkaError when the log must be asked and does not answer.
    """
    known = {
        (row.topic, row.partition): Still(
            row.topic, row.partition, row.offset, sentence(row.topic, row.partition, row.offset, row.error)
        )
        for row in connection.execute(text(STANDING))
    }
    rows = connection.execute(text(_UNMOVED), {"still": STILL}).all()
    ends = {(mark.topic, mark.partition): mark.end for mark in marks}
    behind = {
        (topic, n): at for topic, n, at in rows if ends.get((topic, n), 0) > at and (topic, n) not in known
    }
    waiting = log.older_than(kafka, behind, STILL) if behind else set()
    return sorted([*known.values(), *(Still(*at, behind[at], _silent(*at, behind[at])) for at in waiting)])


def _silent(topic: str, partition: int, offset: int) -> str:
    return (
        f"{topic}[{partition}] stands still at offset {offset}: the log has had more for over a minute, and nobody folds it."
        " Does a worker run? see its log"
    )
