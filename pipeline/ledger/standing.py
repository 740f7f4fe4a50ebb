"""Positions that stand still: the log has had more for a while, and nothing of it is folded."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from pipeline import log
from pipeline.ledger.blockades import sentence
from pipeline.log import Watermark
from pipeline.settings import Kafka

STILL = timedelta(seconds=60)
"""So long a record may wait, and its position stand, before that is a fault: a worker that was killed is back in a third of it."""
Row = Mapping[str, Any]


class Still(NamedTuple):
    """A partition that stands still, and from which offset on. `blocked`: its worker knows the record that is in the way."""

    topic: str
    partition: int
    offset: int
    blocked: bool
    sentence: str


def standing(
    kafka: Kafka, marks: Sequence[Watermark], positions: Sequence[Row], blocked: Sequence[Row], now: datetime
) -> list[Still]:
    """Those that stand still, by what their worker says and by what the log has had for a minute.

    `marks`: the log's; `positions`: rows of `stream_position`; `blocked`: of `blockades.STANDING`. Blocks, and raises
    KafkaError, only if a position has not moved for a minute though there is more: then the log is asked since when.
    """
    known = {(row["topic"], row["partition"]): _blocked(row) for row in blocked}
    ends = {(mark.topic, mark.partition): mark.end for mark in marks}
    behind = {
        at: row["next_offset"]
        for row in positions
        if now - row["moved_at"] > STILL
        and ends.get(at := (row["topic"], row["partition"]), 0) > row["next_offset"]
        and at not in known
    }
    waiting = log.older_than(kafka, behind, STILL) if behind else set()
    return sorted([*known.values(), *(_silent(*at, behind[at]) for at in waiting)])


def _blocked(row: Row) -> Still:
    at = row["topic"], row["partition"], row["offset"]
    return Still(*at, blocked=True, sentence=sentence(*at, row["error"]))


def _silent(topic: str, partition: int, offset: int) -> Still:
    said = (
        f"{topic}[{partition}] stands still at offset {offset}: the log has had more for over a minute, and nobody folds it."
        f" Does a worker run? see its log; `hcp positions skip {topic}/{partition}/{offset} --why …` steps over a record"
    )
    return Still(topic, partition, offset, blocked=False, sentence=said)
