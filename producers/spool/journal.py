"""SQLite's write-ahead log, read frame by frame (https://sqlite.org/fileformat2.html#walformat).

SQLite itself stops at the first frame that does not verify and passes over everything behind it without a word. That is right for
the torn end of a transaction nobody was told of, and wrong for a damaged sector in the middle: here the two are told apart.
"""

import struct
import sys
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from producers.spool.tables import PAGE_BYTES

HEADER_BYTES, FRAME_HEADER_BYTES = 32, 24
FRAME_BYTES = FRAME_HEADER_BYTES + PAGE_BYTES
_SUMMED_BYTES = 8
"""Of a frame's header: page and size. Salt and checksum follow."""
_BIG_ENDIAN_SUMS = 0x377F0683
_MASK = 0xFFFFFFFF


class Frame(NamedTuple):
    """One page's image. `whole`: it verifies against the frame before it, whatever that one is worth itself.

    `present`: of the log's present generation; others are left over from before it was begun anew.
    """

    page: int
    commits: bool
    present: bool
    whole: bool
    image: bytes


class Journal(NamedTuple):
    """A log. `sound`: SQLite reads everything that was committed."""

    frames: Sequence[Frame]
    sound: bool


def read(file: Path) -> Journal:
    """Read the log; an absent one has no frames. Blocks, about half a second for 8 MB."""
    data = file.read_bytes() if file.exists() else b""
    if len(data) < HEADER_BYTES + FRAME_BYTES:
        return Journal([], sound=True)
    verified = _sums(data, data[:24], bytes(8)) == data[24:32]
    frames = list(_frames(data))
    return Journal(frames, sound=_sound(frames) if verified else not any(map(_is_commit, frames)))


def _frames(data: bytes) -> Iterator[Frame]:
    salt, before = data[16:24], data[24:32]
    for start in range(HEADER_BYTES, len(data) - FRAME_BYTES + 1, FRAME_BYTES):
        head = data[start : start + FRAME_HEADER_BYTES]
        image = data[start + FRAME_HEADER_BYTES : start + FRAME_BYTES]
        page, size = struct.unpack(">II", head[:_SUMMED_BYTES])
        whole = _sums(data, head[:_SUMMED_BYTES] + image, before) == head[16:24]
        yield Frame(page, commits=size > 0, present=head[8:16] == salt, whole=whole, image=image)
        before = head[16:24]


def _sound(frames: Sequence[Frame]) -> bool:
    """No commit lies behind a frame that does not verify."""
    first_bad = next((n for n, one in enumerate(frames) if not (one.whole and one.present)), len(frames))
    return not any(one.present and _is_commit(one) for one in frames[first_bad:])


def _is_commit(frame: Frame) -> bool:
    return frame.whole and frame.commits


def _sums(header: bytes, data: bytes, before: bytes) -> bytes:
    """SQLite's checksum of `data`, which goes on from the one `before`; the log's header says in which order of bytes."""
    words = array("I", data)
    big = int.from_bytes(header[:4]) == _BIG_ENDIAN_SUMS
    if big != (sys.byteorder == "big"):
        words.byteswap()
    one, two = struct.unpack(">II", before)
    for first, second in zip(words[::2], words[1::2], strict=True):
        one = (one + first + two) & _MASK
        two = (two + second + one) & _MASK
    return struct.pack(">II", one, two)
