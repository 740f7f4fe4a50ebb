"""What ops see and do about positions: the survey, and adopting a topic that was made anew."""

from typing import NamedTuple

from pipeline.ledger.engine import engine, transaction
from pipeline.ledger.failures import Stop
from pipeline.ledger.positions import Position, adopt, read
from pipeline.log import Watermark, watermarks
from pipeline.settings import Settings
from schemas.topics import INPUTS


class Standing(NamedTuple):
    """A partition of the log, and where the ledger stands in it (None: nowhere yet)."""

    log: Watermark
    position: Position | None

    @property
    def made_anew(self) -> bool:
        """Whether the log's topic is another than the one the position belongs to, or lost its end."""
        at = self.position
        return at is not None and (at.topic_id != self.log.topic_id or at.next_offset > self.log.end)

    def __str__(self) -> str:
        """A line for people."""
        at, log = self.position, self.log
        stands = "no position yet" if at is None else f"position {at.next_offset}"
        anew = f"  {self._why(at)}" if at and self.made_anew else ""
        return f"{log.topic}[{log.partition}]  log {log.start}..{log.end}  {stands}  topic id {log.topic_id}{anew}"

    def _why(self, at: Position) -> str:
        if at.topic_id == self.log.topic_id:
            return "LOST ITS END (what lay there is in the ledger)"
        return f"MADE ANEW (position belongs to topic id {at.topic_id})"


def survey(settings: Settings) -> list[Standing]:
    """Every partition of the input topics. Blocks; raises when log or ledger is away."""
    partitions = [(log.topic, log.partition) for log in watermarks(settings.kafka)]
    pool = engine(settings.database, "positions")
    with transaction(pool) as cursor:
        known = read(cursor, partitions)
    pool.dispose()
    logs = watermarks(
        settings.kafka
    )  # after the positions: a worker that goes on meanwhile does not outrun them
    return [Standing(log, known.get((log.topic, log.partition))) for log in logs]


def adopt_topic(settings: Settings, topic: str, *, dry_run: bool) -> list[str]:
    """Retire the positions of this topic's predecessor and begin at the log's start; returns what is (or would be) done:
    nothing, if the topic is the one that the ledger stands in.

    The ledger keeps what it has of the predecessor. The running worker notices within `watch_seconds`. Blocks. Raises Stop
    for a topic that no worker reads.
    """
    ours = [settings.kafka.topic(stream) for stream in INPUTS]
    if topic not in ours:
        raise Stop(f"{topic} is no topic that the worker reads, those are {' and '.join(ours)}")
    anew = [standing for standing in survey(settings) if standing.log.topic == topic and standing.made_anew]
    if not dry_run:
        pool = engine(settings.database, "positions")
        with transaction(pool) as cursor:
            for standing in anew:
                adopt(cursor, standing.log)
        pool.dispose()
    verb = "would read" if dry_run else "reads"
    return [
        f"{s.log.topic}[{s.log.partition}]: {verb} {s.log.end - s.log.start} records, {s.log.start}..{s.log.end}"
        for s in anew
    ]
