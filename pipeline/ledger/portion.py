"""A portion of the log: the records of one poll of one partition, and the range [start, end) that they cover."""

from dataclasses import dataclass
from typing import NamedTuple

from schemas.topics import Stream

Headers = tuple[tuple[str, bytes | None], ...]


class Record(NamedTuple):
    """A record as the log has it. `timestamp`: when the log took it, in Unix milliseconds."""

    offset: int
    timestamp: int
    key: bytes | None
    headers: Headers
    value: bytes | None


@dataclass(slots=True)
class Portion:
    """Holes inside the range (transaction markers, aborted records, compaction) are no losses."""

    stream: Stream
    topic: str
    partition: int
    start: int
    end: int
    records: list[Record]

    def since(self, offset: int) -> "Portion":
        """What of it lies at or behind `offset`."""
        kept = [record for record in self.records if record.offset >= offset]
        return Portion(self.stream, self.topic, self.partition, max(self.start, offset), self.end, kept)
