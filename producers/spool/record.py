"""What the spool keeps of an event, and how it tells a row that a disk has changed."""

import zlib
from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple

import msgspec

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Headers = list[tuple[str, bytes]]


class Record(msgspec.Struct, frozen=True):
    """An event as it will be sent. `digest` tells two bodies under one `event_id` apart; `stream` is a Stream's value."""

    event_id: str
    digest: str
    stream: str
    key: bytes
    headers: Headers
    value: bytes


class Row(NamedTuple):
    """A record in its place: rows are sent in the order of `seq`."""

    seq: int
    record: Record
    received_at: datetime


class Appended(NamedTuple):
    """It is on disk. `fresh` is False if it was there before, since `received_at`."""

    fresh: bool
    received_at: datetime

    @property
    def seen_before(self) -> bool:
        """Whether the same event was appended earlier: nothing was stored again."""
        return not self.fresh


class FoundIn(NamedTuple):
    """Where an event is that the spool still has. `refused`: the sink will never take it, a person must look."""

    state: Literal["waiting", "sent", "refused"]
    received_at: datetime


class Stats(NamedTuple):
    """The spool as it stands. `appended`, `sent` and `refused` count since it was opened, `refused_rows` are those still here.

    `waiting_bytes`: of the used ones, about; what was sent makes way when room is needed. `damaged`: files moved aside.
    """

    pending: int
    waiting_bytes: int
    used_bytes: int
    max_bytes: int
    oldest_seconds: float
    appended: int
    sent: int
    refused: int
    refused_rows: int
    damaged: int


class Packed(NamedTuple):
    """A row as its table has it, but for `seq`. `received`: milliseconds since 1970 in UTC."""

    event_id: str
    digest: str
    received: int
    packed: bytes
    crc: int


class DamagedRow(Exception):
    """A row that is not what was written."""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[str, bytes, Headers, bytes]).decode


def pack(record: Record, received: int) -> Packed:
    """A record as a row. Pure."""
    packed = _encode((record.stream, record.key, record.headers, record.value))
    return Packed(
        record.event_id,
        record.digest,
        received,
        packed,
        _crc(record.event_id, record.digest, received, packed),
    )


def unpack(seq: int, row: Packed) -> Row:
    """The row's record. Raises DamagedRow."""
    if _crc(row.event_id, row.digest, row.received, row.packed) != row.crc:
        raise DamagedRow(f"row {seq} is not what was written")
    stream, key, headers, value = _decode(row.packed)
    record = Record(row.event_id, row.digest, stream, key, headers, value)
    return Row(seq, record, from_ms(row.received))


def _crc(event_id: str, digest: str, received: int, packed: bytes) -> int:
    return zlib.crc32(packed, zlib.crc32(f"{event_id}\n{digest}\n{received}".encode()))


def to_ms(at: datetime) -> int:
    """Milliseconds since 1970 of a time with a zone."""
    return (at - EPOCH) // timedelta(milliseconds=1)


def from_ms(milliseconds: int) -> datetime:
    """The time in UTC."""
    return EPOCH + timedelta(milliseconds=milliseconds)
