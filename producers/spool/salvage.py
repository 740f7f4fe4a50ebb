"""Every row that can still be read in a damaged spool's files, into a new database.

Rows never change, and each carries its checksum: so any image of any page will do, whatever the file around it is worth. What
was sent and what waited cannot be told any more: all of it waits again, and the fold ignores what it has.
"""

import mmap
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from producers.spool import journal
from producers.spool.journal import Frame
from producers.spool.pages import Cell, cells
from producers.spool.record import DamagedRow, Packed, unpack
from producers.spool.tables import FILE, JOURNAL, PAGE_BYTES, make

NUMBERS = 1 << 63
"""What SQLite can number."""
_SALVAGED = """
create temp table salvaged (seq, event_id, digest, received, packed, crc, unique (event_id, digest))
"""
"""A row's number is the one thing that its checksum does not cover: two rows may claim the same."""
_RENUMBERED = """
insert into main.record (seq, event_id, digest, received, packed, crc)
select row_number() over (order by seq), event_id, digest, received, packed, crc from salvaged
"""


def salvage(folder: Path, into: Path) -> int:
    """Write what can be read in the folder's database and journal into a new database; returns how many rows. Blocks, long.

    Raises sqlite3.Error, OSError: the disk has no room, say. Nothing of the old files is changed.
    """
    frames = journal.read(folder / JOURNAL).frames
    with _mapped(folder / FILE) as database, closing(make(into)) as new:
        new.execute("begin")
        new.execute(_SALVAGED)
        for trusted in (True, False):  # first what verifies, then whatever is there
            for cell in _cells(database, frames, trusted=trusted):
                _keep(new, cell)
        new.execute(_RENUMBERED)
        (count,) = new.execute("select count(*) from record").fetchone()
        new.execute("commit")
    return int(count)


@contextmanager
def _mapped(file: Path) -> Iterator[mmap.mmap | bytes]:
    """The bytes of a file, none if it is not there."""
    if not file.exists() or not file.stat().st_size:
        yield b""
        return
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        yield mapped


def _cells(database: mmap.mmap | bytes, frames: Sequence[Frame], *, trusted: bool) -> Iterator[Cell]:
    """The rows in every image of every page; what is long is completed from each page's last image."""
    images = [(frame.page, frame.image) for frame in frames if frame.whole or not trusted]
    last = dict(images)

    def page_of(number: int) -> bytes:
        return last.get(number) or database[(number - 1) * PAGE_BYTES : number * PAGE_BYTES]

    for number in range(1, len(database) // PAGE_BYTES + 1):
        yield from cells(database[(number - 1) * PAGE_BYTES : number * PAGE_BYTES], number, page_of)
    for number, image in images:
        yield from cells(image, number, page_of)


def _keep(new: sqlite3.Connection, cell: Cell) -> None:
    """A row of `record` or of `once`; of the other tables nothing is worth keeping."""
    match cell.values:
        case (None, str(event_id), str(digest), int(received), bytes(packed), int(crc)):
            row = Packed(event_id, digest, received, packed, crc)
            if cell.rowid < NUMBERS and _is_as_written(cell.rowid, row):
                new.execute("insert or ignore into salvaged values (?, ?, ?, ?, ?, ?)", (cell.rowid, *row))
        case (None, str(key), str(event_id), str(digest)):
            new.execute(
                "insert or ignore into once (key, event_id, digest) values (?, ?, ?)", (key, event_id, digest)
            )
        case _:
            return


def _is_as_written(seq: int, row: Packed) -> bool:
    try:
        unpack(seq, row)
    except DamagedRow:
        return False
    return True
