"""Rows straight from the pages of a SQLite file (https://sqlite.org/fileformat2.html): what SQLite itself refuses to read.

A row of a table lies in a leaf page of type 13 as a cell: length, rowid, a header of types, the values; what is too long for the
page goes on in a chain of overflow pages.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from producers.spool.tables import PAGE_BYTES

LEAF = 13
FIRST_PAGE_HEADER = 100
"""The file's own header, before the first page's."""
MOST_LOCAL = PAGE_BYTES - 35
LEAST_LOCAL = (PAGE_BYTES - 12) * 32 // 255 - 23
OVERFLOW_BYTES = PAGE_BYTES - 4
LONGEST_ROW = 4 * 2**20
Value = int | str | bytes | None
PageOf = Callable[[int], bytes]
"""The image of a page by its number; empty if there is none."""


class Unreadable(Exception):
    """A cell that is none, or not whole."""


class Cell(NamedTuple):
    """A row of some table. The table is known by the number and kinds of its values."""

    rowid: int
    values: tuple[Value, ...]


def cells(image: bytes, number: int, page_of: PageOf) -> Iterator[Cell]:
    """The rows in a page's image, as far as they can be read."""
    start = FIRST_PAGE_HEADER if number == 1 else 0
    if len(image) != PAGE_BYTES or image[start] != LEAF:
        return
    count = int.from_bytes(image[start + 3 : start + 5])
    for at in range(start + 8, min(start + 8 + 2 * count, PAGE_BYTES - 1), 2):
        try:
            yield _cell(image, int.from_bytes(image[at : at + 2]), page_of)
        except (Unreadable, UnicodeDecodeError, IndexError):
            continue


def _cell(image: bytes, at: int, page_of: PageOf) -> Cell:
    length, at = _varint(image, at)
    rowid, at = _varint(image, at)
    if length > LONGEST_ROW:
        raise Unreadable
    return Cell(rowid, tuple(_values(_payload(image, at, length, page_of))))


def _payload(image: bytes, at: int, length: int, page_of: PageOf) -> bytes:
    local = _local(length)
    payload = image[at : at + local]
    if local < length:
        following = image[at + local : at + local + 4]
        payload += _overflow(int.from_bytes(following), length - local, page_of)
    if len(payload) < length:
        raise Unreadable
    return payload


def _local(length: int) -> int:
    """How much of a row lies in the leaf itself."""
    if length <= MOST_LOCAL:
        return length
    fitting = LEAST_LOCAL + (length - LEAST_LOCAL) % OVERFLOW_BYTES
    return fitting if fitting <= MOST_LOCAL else LEAST_LOCAL


def _overflow(number: int, length: int, page_of: PageOf) -> bytes:
    parts = []
    while length > 0:
        image = page_of(number)
        if len(image) != PAGE_BYTES:
            raise Unreadable
        number = int.from_bytes(image[:4])
        parts.append(image[4 : 4 + length])
        length -= OVERFLOW_BYTES
    return b"".join(parts)


def _values(payload: bytes) -> Iterator[Value]:
    header, at = _varint(payload, 0)
    body = header
    while at < header:
        kind, at = _varint(payload, at)
        size = _size(kind)
        if body + size > len(payload):
            raise Unreadable
        yield _value(kind, payload[body : body + size])
        body += size


def _size(kind: int) -> int:
    if kind >= 12:
        return (kind - 12) // 2
    return (0, 1, 2, 3, 4, 6, 8, 8, 0, 0, 0, 0)[kind]


def _value(kind: int, data: bytes) -> Value:
    if kind >= 12:
        return data.decode() if kind % 2 else data
    if kind in {8, 9}:
        return kind - 8
    return int.from_bytes(data, signed=True) if kind in range(1, 7) else None


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A number of one to nine bytes, and where it ends."""
    number = 0
    for n in range(at, at + 8):
        number = number << 7 | data[n] & 0x7F
        if data[n] < 0x80:
            return number, n + 1
    return number << 8 | data[at + 8], at + 9
