"""How much room there is: by the spool's bound and on its disk, less what marking and pruning need themselves."""

import os
import sqlite3
from pathlib import Path
from typing import NamedTuple

from producers.spool.tables import FILE, PAGE_BYTES, WAL_PAGES

LEAST_WAL_PAGES = 8
RESERVE_BYTES = 4 * 2**20
INDEX_BYTES = 32_768
"""The journal's index and the small files beside it."""
ROW_BYTES = 160
"""What a row costs beside its texts: cells, page headers, its place in the index."""


class Bounds(NamedTuple):
    """What a spool of `max_bytes` allows its parts."""

    max_bytes: int
    wal_pages: int
    reserve: int

    @classmethod
    def of(cls, max_bytes: int) -> "Bounds":
        """A small spool has a small journal and a small reserve."""
        wal_pages = max(LEAST_WAL_PAGES, min(WAL_PAGES, max_bytes // 32 // PAGE_BYTES))
        return cls(max_bytes, wal_pages, min(RESERVE_BYTES, max_bytes // 16))

    @property
    def group_bytes(self) -> int:
        """What one transaction may bring, about."""
        return self.wal_pages * PAGE_BYTES

    @property
    def wal_bytes(self) -> int:
        """How large the journal gets: what it holds before it is written back, and one transaction."""
        return 2 * self.wal_pages * PAGE_BYTES


class Room:
    """Looks at the files. Blocks for microseconds."""

    def __init__(self, folder: Path, bounds: Bounds) -> None:
        self._folder = folder
        self._wal = folder / f"{FILE}-wal"
        self._bounds = bounds

    def used(self, connection: sqlite3.Connection) -> int:
        """Bytes of the database's pages in use and of its journal."""
        pages, free = _pages(connection)
        return (pages - free) * PAGE_BYTES + self._wal_bytes() + INDEX_BYTES

    def left(self, connection: sqlite3.Connection) -> int:
        """Bytes that new rows may take; below 0 when even the reserve is touched."""
        pages, free = _pages(connection)
        used = (pages - free) * PAGE_BYTES + max(self._wal_bytes(), self._bounds.wal_bytes) + INDEX_BYTES
        disk = os.statvfs(self._folder)
        on_disk = disk.f_bavail * disk.f_frsize + free * PAGE_BYTES - self._bounds.wal_bytes
        return min(self._bounds.max_bytes - used, on_disk) - self._bounds.reserve

    def _wal_bytes(self) -> int:
        try:
            return self._wal.stat().st_size
        except FileNotFoundError:
            return 0


def _pages(connection: sqlite3.Connection) -> tuple[int, int]:
    (pages,) = connection.execute("pragma page_count").fetchone()
    (free,) = connection.execute("pragma freelist_count").fetchone()
    return pages, free
