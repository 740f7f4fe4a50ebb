"""Decompression with a bound: a batch of 200 kB may unpack to more than the machine has memory."""

import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import cramjam
import lz4.frame
import zstandard

CHUNK = 256 * 1024
"""Bytes that are unpacked at once, about."""
SNAPPY_RATIO = 64
"""Snappy packs at most 64 bytes into 3: a block that claims more than this ratio is damaged."""
_XERIAL = b"\x82SNAPPY\x00"
_XERIAL_BYTES = 16
"""Its magic, a version and a compatible version, before the first block."""


class Undecodable(ValueError):
    """Bytes that are not what their codec, or the record format, says."""


def chunks(codec: int, data: bytes) -> Iterator[bytes]:
    """The unpacked bytes, about `CHUNK` at a time. `codec`: Kafka's number. Raises Undecodable."""
    if codec not in _CODECS:
        raise Undecodable(f"unknown compression codec {codec}")
    try:
        yield from _CODECS[codec](data)
    except (zlib.error, RuntimeError, zstandard.ZstdError, cramjam.DecompressionError, struct.error) as error:
        raise Undecodable(f"it does not unpack: {type(error).__name__}") from None


def unpacked(codec: int, data: bytes, most: int) -> bytes | None:
    """All of it; None if that is more than `most` bytes, of which no more are unpacked then. Raises Undecodable."""
    parts, size = [], 0
    for part in chunks(codec, data):
        size += len(part)
        if size > most:
            return None
        parts.append(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _plain(data: bytes) -> Iterator[bytes]:
    yield data


def _gzip(data: bytes) -> Iterator[bytes]:
    while data:
        member = zlib.decompressobj(wbits=31)
        while not member.eof:
            part = member.decompress(data, CHUNK)
            data = member.unconsumed_tail
            if part:
                yield part
            elif not data and not member.eof:
                raise Undecodable("it ends in the middle")
        data = member.unused_data


def _lz4(data: bytes) -> Iterator[bytes]:
    frame: Any = lz4.frame.LZ4FrameDecompressor()
    while not frame.eof:
        part = frame.decompress(data, max_length=CHUNK)
        data = b""
        if part:
            yield part
        elif frame.needs_input and not frame.eof:
            raise Undecodable("it ends in the middle")


def _zstd(data: bytes) -> Iterator[bytes]:
    with zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True) as reader:
        while part := reader.read(CHUNK):
            yield part


def _snappy(data: bytes) -> Iterator[bytes]:
    """One raw block, or blocks in the framing of Java's library."""
    if not data.startswith(_XERIAL):
        yield _block(data)
        return
    at = _XERIAL_BYTES
    while at < len(data):
        (size,) = struct.unpack_from(">i", data, at)
        at += 4
        if not 0 <= size <= len(data) - at:
            raise Undecodable("a block is longer than the rest")
        yield _block(data[at : at + size])
        at += size


def _block(data: bytes) -> bytes:
    claimed, shift = 0, 0
    for byte in data[:5]:
        claimed |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
    if claimed > SNAPPY_RATIO * len(data):
        raise Undecodable(f"a block of {len(data)} bytes claims to hold {claimed}")
    return bytes(cramjam.snappy.decompress_raw(data))


_CODECS: dict[int, Callable[[bytes], Iterator[bytes]]] = {0: _plain, 1: _gzip, 2: _snappy, 3: _lz4, 4: _zstd}
