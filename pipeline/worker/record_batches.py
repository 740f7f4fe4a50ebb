"""From a record batch, as the broker sends it, to records. Nothing in a batch raises: what cannot be read is a record, too.

Fast: aiokafka's own reader in C, on bytes that are unpacked within a bound. Slow: where that reader fails, or a batch unpacks
to more than the bound, the same format once more in Python (https://kafka.apache.org/documentation/#recordbatch), piece by piece.
"""

import struct
from collections.abc import Iterable, Iterator
from contextlib import suppress
from hashlib import sha256
from itertools import islice
from typing import Any, NamedTuple

from aiokafka.record.default_records import DefaultRecordBatch

from pipeline.ledger.portion import MOST_HEADERS, MOST_KEPT, PREFIX, Part, Record, Unreadable, as_bytes
from pipeline.worker.decompression import Undecodable, chunks, unpacked
from schemas.events import Reason

HEADER = struct.Struct(">qiibIhiqqqhii")
CODEC, LOG_APPEND_TIME = 0x07, 0x08
_ATTRIBUTES_AT = 21
FAST_BYTES = 2 * 2**20
"""What is unpacked at once for the reader in C; each partition may hold as much."""
MOST_UNPACKED = 256 * 2**20
"""What is unpacked of one batch at most: about a second's work. The rest of a longer one is one dead letter."""
OVERHEAD = 64
"""Bytes of a record beside key, value and headers."""


class Header(NamedTuple):
    """Of a batch, as the format has it. `size`: how many records it holds."""

    base_offset: int
    length: int
    leader_epoch: int
    magic: int
    crc: int
    attributes: int
    last_offset_delta: int
    first_timestamp: int
    max_timestamp: int
    producer_id: int
    producer_epoch: int
    base_sequence: int
    size: int

    @property
    def end(self) -> int:
        """The offset behind its last record."""
        return self.base_offset + self.last_offset_delta + 1

    @property
    def holes(self) -> int:
        """How many of its offsets have no record: so far, at most, a record may lie behind the one that is expected."""
        return self.end - self.base_offset - self.size


def records(batch: bytes) -> Iterator[Record]:
    """The records of a batch of format 2 that is no control batch. Raises nothing for what the batch holds.

    Aiokafka's are handed on as they are: they have all that a `Record` has.
    """
    header = Header(*HEADER.unpack_from(batch))
    payload = batch[HEADER.size :]
    try:
        plain = _unpacked(header, payload)
    except Undecodable as error:
        yield whole(batch, header.base_offset, header.end, header.max_timestamp, str(error))
        return
    if plain is None:
        yield from _slowly(header, batch, chunks(header.attributes & CODEC, payload))
        return
    done, expected, latest = 0, header.base_offset, header.base_offset + header.holes
    with suppress(Exception):  # whatever it was: the slow reader says which record, and goes on behind it
        for record in DefaultRecordBatch(_unpacked_batch(header, batch, plain)):
            if not expected <= record.offset <= latest + done:
                break
            expected, done = record.offset + 1, done + 1
            yield record if len(record.headers) <= MOST_HEADERS else _with_many_headers(record)
    if done < header.size:
        yield from islice(_slowly(header, batch, [plain]), done, None)


def _unpacked(header: Header, payload: bytes) -> bytes | None:
    """None if that is too much for the fast reader. Raises Undecodable."""
    if header.holes < 0:
        raise Undecodable(f"it says that it holds {header.size}")
    return unpacked(header.attributes & CODEC, payload, FAST_BYTES)


def _unpacked_batch(header: Header, batch: bytes, plain: bytes) -> bytes:
    """The same batch without compression."""
    if not header.attributes & CODEC:
        return batch
    bare = bytearray(batch[: HEADER.size])
    struct.pack_into(">h", bare, _ATTRIBUTES_AT, header.attributes & ~CODEC)
    return bytes(bare) + plain


def _with_many_headers(record: Any) -> Record:
    """Without its headers as objects: a million of them would take 100 MB."""
    message = f"{len(record.headers)} headers, at most {MOST_HEADERS} are allowed; the first are kept"
    return unreadable(record.offset, record.timestamp, Reason.TOO_LARGE, message, _parts_of(record))


def _parts_of(record: Any) -> dict[str, Part]:
    wire = as_bytes(record.headers[:MOST_HEADERS])
    return {
        "key": Part.of(record.key or b""),
        "value": Part.of(record.value or b""),
        "headers": Part.of(wire, PREFIX),
    }


def unreadable(
    offset: int, timestamp: int, reason: str, message: str, parts: dict[str, Part], count: int = 1
) -> Record:
    """A record whose bytes are kept and not interpreted; of more than `MOST_KEPT` together, a beginning of each part."""
    if sum(len(part.data) for part in parts.values()) > MOST_KEPT:
        parts = {name: Part(part.data[:PREFIX], part.length, part.sha256) for name, part in parts.items()}
    return Record(offset, timestamp, None, (), Unreadable(reason, message, parts, count))


def whole(batch: bytes, start: int, end: int, timestamp: int, why: str) -> Record:
    """All offsets of [`start`, `end`) as one: nobody knows where in the batch a record begins."""
    count = max(1, end - start)
    message = f"a batch of {count} records, offsets {start} to {start + count - 1}: {why}"
    return unreadable(start, timestamp, Reason.UNREADABLE, message, {"batch": Part.of(batch)}, count)


def _slowly(header: Header, batch: bytes, pieces: Iterable[bytes]) -> Iterator[Record]:
    """Record by record; what cannot be told apart any more, to the end of the batch, is one."""
    stream, at = _Stream(iter(pieces)), header.base_offset
    try:
        for done in range(header.size):
            record = _record(header, stream, at)
            if not at <= record.offset <= header.base_offset + header.holes + done:
                record = _out_of_place(record, at)
            at = record.offset + 1
            yield record
    except Undecodable as error:
        yield whole(batch, at, header.end, header.max_timestamp, str(error))


def _out_of_place(record: Record, expected: int) -> Record:
    """A record whose offset another one has, or one behind its batch: taken at its word it would hide that one."""
    if isinstance(record.value, Unreadable):
        return record._replace(offset=expected)
    message = f"it says that its offset is {record.offset}, which is not its own"
    return unreadable(expected, record.timestamp, Reason.UNREADABLE, message, _parts_of(record))


class _Stream:
    """Bytes that are unpacked as they are asked for."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._buffer, self._at, self._seen = b"", 0, 0

    def take(self, size: int) -> bytes:
        """The next bytes. Raises Undecodable if there are not so many, or too many were unpacked."""
        if size < 0:
            raise Undecodable("a length is negative")
        while len(self._buffer) - self._at < size:
            piece = next(self._pieces, None)
            if piece is None:
                raise Undecodable("it ends in the middle of a record")
            self._seen += len(piece)
            if self._seen > MOST_UNPACKED:
                raise Undecodable(f"it unpacks to more than {MOST_UNPACKED} bytes")
            self._buffer, self._at = self._buffer[self._at :] + piece, 0
        self._at += size
        return self._buffer[self._at - size : self._at]

    def rest(self) -> bytes:
        """What is unpacked and not taken."""
        return self._buffer[self._at :]

    @property
    def position(self) -> int:
        """How many bytes were taken."""
        return self._seen - len(self._buffer) + self._at

    def varint(self) -> int:
        """A number in zigzag encoding. Raises Undecodable."""
        number, shift = 0, 0
        while True:
            byte = self.take(1)[0]
            number |= (byte & 0x7F) << shift
            if byte < 0x80:
                return (number >> 1) ^ -(number & 1)
            shift += 7
            if shift > 63:
                raise Undecodable("a number is longer than 64 bits")

    def part(self, size: int) -> Part:
        """So many bytes, of which only a beginning is held in memory if they are many."""
        if size <= MOST_KEPT:
            return Part.of(self.take(size))
        digest, first, left = sha256(), b"", size
        while left:
            data = self.take(min(left, PREFIX * 16))
            first = first or data[:PREFIX]
            digest.update(data)
            left -= len(data)
        return Part(first, size, digest.hexdigest())


def _record(header: Header, stream: _Stream, expected: int) -> Record:
    """The next one. Raises Undecodable if the next one cannot be found behind it."""
    length = stream.varint()
    if length < 0:
        raise Undecodable("a record has a negative length")
    if length > MOST_KEPT + OVERHEAD:
        return _long(header, stream, length)
    body = stream.take(length)
    try:
        return _short(header, body)
    except (Undecodable, UnicodeDecodeError) as error:
        why = "the name of a header is not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
        return unreadable(
            expected, header.max_timestamp, Reason.UNREADABLE, why, _parts(body) or {"record": Part.of(body)}
        )


def _place(header: Header, stream: _Stream) -> tuple[int, int]:
    """Offset and time; reads the attributes, which mean nothing, too."""
    stream.take(1)
    delta = stream.varint()
    timestamp = (
        header.max_timestamp if header.attributes & LOG_APPEND_TIME else header.first_timestamp + delta
    )
    return header.base_offset + stream.varint(), timestamp


def _short(header: Header, body: bytes) -> Record:
    stream = _Stream(iter((body,)))
    offset, timestamp = _place(header, stream)
    key, value = _field(stream), _field(stream)
    count = stream.varint()
    if count > MOST_HEADERS:
        message = f"{count} headers, at most {MOST_HEADERS} are allowed"
        return unreadable(offset, timestamp, Reason.TOO_LARGE, message, _parts(body))
    if count < 0:
        raise Undecodable("the number of its headers is negative")
    headers = tuple((stream.take(stream.varint()).decode(), _field(stream)) for _ in range(count))
    if stream.rest():
        raise Undecodable("it is longer than its parts")
    return Record(offset, timestamp, key, headers, value)


def _field(stream: _Stream) -> bytes | None:
    size = stream.varint()
    return None if size < 0 else stream.take(size)


def _parts(body: bytes) -> dict[str, Part]:
    """Key, value and headers, these as they lie in the log; nothing if not even they can be told apart."""
    stream = _Stream(iter((body,)))
    try:
        stream.take(1)
        stream.varint()
        stream.varint()
        key, value = _field(stream), _field(stream)
    except Undecodable:
        return {}
    return {"key": Part.of(key or b""), "value": Part.of(value or b""), "headers": Part.of(stream.rest())}


def _long(header: Header, stream: _Stream, length: int) -> Record:
    """A record of more than is kept: of key, value and headers their beginning, length and digest."""
    begun = stream.position
    offset, timestamp = _place(header, stream)
    parts = {name: stream.part(max(0, stream.varint())) for name in ("key", "value")}
    left = length - (stream.position - begun)
    if left < 0:
        raise Undecodable("a record is longer than it says")
    parts["headers"] = stream.part(left)
    message = f"{length} bytes, at most {MOST_KEPT} are kept: of key, value and headers the beginning, length and SHA-256"
    return unreadable(offset, timestamp, Reason.TOO_LARGE, message, parts)
