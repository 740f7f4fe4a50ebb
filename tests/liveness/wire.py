"""Batches as any client may send them: built here and handed to the broker as bytes, past every client's own checks."""

import socket
import struct
import time
from collections.abc import Sequence
from typing import NamedTuple

from kafka.record.default_records import DefaultRecordBatchBuilder as Builder
from kafka.record.util import calc_crc32c

from tests.wait import wait_for

CODECS = {
    "none": Builder.CODEC_NONE,
    "gzip": Builder.CODEC_GZIP,
    "snappy": Builder.CODEC_SNAPPY,
    "lz4": Builder.CODEC_LZ4,
    "zstd": Builder.CODEC_ZSTD,
}
PRODUCE, VERSION = 0, 7
"""Version 7 is the first in which a broker takes zstd."""
ACK_SECONDS = 30.0
_CHECKSUM_AT, _CHECKED_FROM, _LAST_PLACE_AT = 17, 21, 23
"""In a batch: what the broker compares with the number of records, and what it believes of each record."""
NOBODY = -1
"""No producer id: the broker compares no sequence, so a topic may be deleted and made again in between."""


class Raw(NamedTuple):
    """A record as bytes. `timestamp`: Unix milliseconds, now if None; a topic with LogAppendTime ignores it. `place`: in its
    batch, as it claims; its own if None.
    """

    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[bytes, bytes | None]] = ()
    timestamp: int | None = None
    place: int | None = None


_FOR_A_MOMENT = frozenset({3, 5, 6})
"""Unknown topic, no leader, not the leader: of a broker that has just started."""


class NotTakenError(Exception):
    """The broker answered with an error code of the protocol, or not at all."""


class _Name(str):
    """A header's name that is encoded to exactly these bytes: no text can stand for bytes that are no UTF-8."""

    __slots__ = ("raw",)
    raw: bytes

    def encode(self, *_: object) -> bytes:
        return self.raw


def batch(records: Sequence[Raw], codec: str = "none") -> bytes:
    """One batch of format 2 with these records. Pure but for the clock."""
    builder = Builder(2, CODECS[codec], False, NOBODY, NOBODY, NOBODY, 1 << 30)
    now = int(time.time() * 1000)
    for place, one in enumerate(records):
        headers = [(_name(name), value) for name, value in one.headers]
        builder.append(
            place if one.place is None else one.place,
            now if one.timestamp is None else one.timestamp,
            one.key,
            one.value,
            headers,
        )
    made = builder.build()
    struct.pack_into(">i", made, _LAST_PLACE_AT, len(records) - 1)
    struct.pack_into(">I", made, _CHECKSUM_AT, calc_crc32c(memoryview(made)[_CHECKED_FROM:]))
    return bytes(made)


def produce(bootstrap: str, topic: str, partition: int, records: bytes) -> int:
    """Send a batch to the one broker and wait for its acknowledgement; returns the first record's offset. Blocks.

    A broker that has just started has no leader for a moment: then again, for `ACK_SECONDS`. Raises NotTakenError with the
    broker's error code, and OSError when it is away.
    """
    found: list[int] = []

    def is_taken() -> bool:
        error, offset = _produce(bootstrap, topic, partition, records)
        if error and error not in _FOR_A_MOMENT:
            raise NotTakenError(f"{topic}[{partition}]: error code {error}")
        found.append(offset)
        return not error

    wait_for(is_taken, ACK_SECONDS, f"{topic}[{partition}] to have a leader")
    return found[-1]


def _produce(bootstrap: str, topic: str, partition: int, records: bytes) -> tuple[int, int]:
    """The broker's error code and the first record's offset."""
    host, port = bootstrap.rsplit(":", 1)
    body = struct.pack(">hhih", PRODUCE, VERSION, 1, -1) + struct.pack(
        ">hhi", -1, -1, int(ACK_SECONDS * 1000)
    )
    body += struct.pack(">ih", 1, len(topic)) + topic.encode()
    body += struct.pack(">iii", 1, partition, len(records)) + records
    with socket.create_connection((host, int(port)), ACK_SECONDS) as broker:
        broker.sendall(struct.pack(">i", len(body)) + body)
        answer = _receive(broker, struct.unpack(">i", _receive(broker, 4))[0])
    at = 4 + 4 + 2 + len(topic) + 4  # correlation, topics, the name, partitions
    error, offset = struct.unpack_from(">hq", answer, at + 4)
    return error, offset


def _name(raw: bytes) -> _Name:
    name = _Name(raw.decode(errors="replace"))
    name.raw = raw
    return name


def _receive(broker: socket.socket, length: int) -> bytes:
    got = b""
    while len(got) < length:
        part = broker.recv(length - len(got))
        if not part:
            raise NotTakenError("the broker ended the connection")
        got += part
    return got
