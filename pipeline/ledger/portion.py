"""A portion of the log: the records of one poll of one partition, and the range [start, end) that they cover."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import NamedTuple

import msgspec

from schemas.topics import Stream

Headers = tuple[tuple[str, bytes | None], ...]
MOST_KEPT = 512 * 1024
"""Bytes of value, key and headers together that a dead letter keeps; of more it keeps a beginning of each."""
PREFIX = 4 * 1024
MOST_HEADERS = 256
"""Headers of a record; one with more is a dead letter."""


class Part(msgspec.Struct, array_like=True, frozen=True):
    """Key, value, headers or a whole batch as they lay in the log. `data` is cut if it is shorter than `length`."""

    data: bytes
    length: int
    sha256: str

    @classmethod
    def of(cls, data: bytes, most: int = MOST_KEPT) -> "Part":
        """These bytes, or a beginning of them if they are more than `most`."""
        return cls(data if len(data) <= most else data[:PREFIX], len(data), sha256(data).hexdigest())


def as_bytes(headers: Iterable[tuple[str, bytes | None]]) -> bytes:
    """Headers as lines of `name=value`, for a part of a record whose headers are not kept as they were."""
    return b"".join(
        name.encode("utf-8", "backslashreplace") + b"=" + (value or b"") + b"\n" for name, value in headers
    )


class Unreadable(msgspec.Struct, frozen=True):
    """Stands where a record's value would: what of the record cannot be read, and its bytes as far as they are kept.

    `records`: how many offsets it covers; more than one for a batch that cannot be unpacked.
    """

    reason: str
    message: str
    parts: dict[str, Part]
    records: int = 1

    @property
    def is_cut(self) -> bool:
        """Whether bytes of it are not kept."""
        return any(len(part.data) < part.length for part in self.parts.values())

    def without_data(self) -> "Unreadable":
        """The same with lengths and digests alone; nothing of key and headers, whose few bytes a digest would give away."""
        parts = {
            name: Part(b"", part.length, part.sha256)
            for name, part in self.parts.items()
            if name not in {"key", "headers"}
        }
        return msgspec.structs.replace(self, parts=parts)


class Record(NamedTuple):
    """A record as the log has it. `timestamp`: when the log took it, in Unix milliseconds."""

    offset: int
    timestamp: int
    key: bytes | None
    headers: Headers
    value: bytes | Unreadable | None


@dataclass(slots=True)
class Portion:
    """Holes inside the range (transaction markers, aborted records, compaction) are no losses."""

    stream: Stream
    topic: str
    partition: int
    start: int
    end: int
    records: list[Record]

    @property
    def size(self) -> int:
        """Bytes of its values."""
        return sum([len(one.value) for one in self.records if one.value.__class__ is bytes])

    def since(self, offset: int) -> "Portion":
        """What of it lies at or behind `offset`."""
        kept = [record for record in self.records if record.offset >= offset]
        return Portion(self.stream, self.topic, self.partition, max(self.start, offset), self.end, kept)

    def until(self, offset: int) -> "Portion":
        """What of it lies before `offset`."""
        kept = [record for record in self.records if record.offset < offset]
        return Portion(self.stream, self.topic, self.partition, self.start, min(self.end, offset), kept)


class _Body(msgspec.Struct):
    received_at: datetime | None = None


_decode = msgspec.json.Decoder(_Body).decode


def received_at(record: Record) -> float:
    """When it was received, by its body or by the log, in Unix seconds: good enough to align partitions by.

    Raises nothing, whatever the record holds.
    """
    try:
        claimed = _decode(record.value).received_at if record.value.__class__ is bytes else None
        return claimed.timestamp() if claimed and claimed.tzinfo else record.timestamp / 1000
    except Exception:  # noqa: BLE001  the fold says what is wrong with it; here the log's time serves
        return record.timestamp / 1000
