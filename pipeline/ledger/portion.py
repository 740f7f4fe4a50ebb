"""A portion of the log: the records of one poll of one partition, and the range [start, end) that they cover."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import msgspec

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


class _Body(msgspec.Struct):
    received_at: datetime | None = None


_decode = msgspec.json.Decoder(_Body).decode


def received_at(record: Record) -> float:
    """When it was received, by its body or by the log, in Unix seconds: good enough to align partitions by."""
    try:
        claimed = _decode(record.value).received_at if record.value else None
    except msgspec.DecodeError:
        claimed = None
    return claimed.timestamp() if claimed else record.timestamp / 1000
