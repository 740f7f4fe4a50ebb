"""What ops see and do about positions: the survey, and adopting a topic that was made anew or has fewer partitions."""

from typing import NamedTuple

from pipeline.ledger.engine import opened_engine, transaction
from pipeline.ledger.failures import Stop
from pipeline.ledger.positions import Position, adopt, read_all, retire
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


class Vanished(NamedTuple):
    """A position whose partition the log does not have (any more): the topic is gone, or was made anew with fewer."""

    position: Position
    topic_is_there: bool

    def __str__(self) -> str:
        """A line for people."""
        at = self.position
        todo = f"hcp positions adopt {at.topic}" if self.topic_is_there else "hcp topics"
        return f"{at.topic}[{at.partition}]  NOT IN THE LOG  position {at.next_offset} of topic id {at.topic_id}: `{todo}`"


class Survey(NamedTuple):
    """Every partition of the input topics, and every position without one."""

    standings: list[Standing]
    vanished: list[Vanished]

    def __str__(self) -> str:
        """A line each."""
        return "\n".join(map(str, [*self.standings, *self.vanished]))


def survey(settings: Settings) -> Survey:
    """How log and ledger stand. Blocks; raises when log or ledger is away."""
    with opened_engine(settings.database, "positions") as pool, transaction(pool) as cursor:
        known = read_all(cursor, [settings.kafka.topic(stream) for stream in INPUTS])
    logs = watermarks(settings.kafka)  # after the positions: a worker that goes on does not outrun them
    topics = {log.topic for log in logs}
    standings = [Standing(log, known.pop((log.topic, log.partition), None)) for log in logs]
    return Survey(standings, [Vanished(left, left.topic in topics) for left in known.values()])


def adopt_topic(settings: Settings, topic: str, *, dry_run: bool) -> list[str]:
    """Retire the positions of this topic's predecessor and begin at the log's start; returns what is (or would be) done:
    nothing, if the topic is the one that the ledger stands in. Positions of partitions that it does not have are retired.

    The ledger keeps what it has of the predecessor. The running worker notices within `watch_seconds`. Blocks. Raises Stop
    for a topic that no worker reads, or that does not exist.
    """
    ours = [settings.kafka.topic(stream) for stream in INPUTS]
    if topic not in ours:
        raise Stop(f"{topic} is no topic that the worker reads, those are {' and '.join(ours)}")
    standings, vanished = survey(settings)
    if all(one.log.topic != topic for one in standings):
        raise Stop(f"{topic} does not exist: make it first, with `hcp topics`")
    anew = [one.log for one in standings if one.log.topic == topic and one.made_anew]
    gone = [one.position for one in vanished if one.position.topic == topic and one.topic_is_there]
    if not dry_run:
        with opened_engine(settings.database, "positions") as pool, transaction(pool) as cursor:
            for log in anew:
                adopt(cursor, log)
            for position in gone:
                retire(cursor, position.topic, position.partition)
    reads, retires = ("would read", "would retire") if dry_run else ("reads", "retires")
    return [
        *(
            f"{at.topic}[{at.partition}]: {reads} {at.end - at.start} records, {at.start}..{at.end}"
            for at in anew
        ),
        *(
            f"{at.topic}[{at.partition}]: {retires} its position: the log has no such partition"
            for at in gone
        ),
    ]
