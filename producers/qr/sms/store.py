"""The messages on disk: a SQLite file. A number stays there, sealed, only until its message is sent."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

FILE = "sms.db"
_TABLE = """
create table if not exists message (
    token_id text primary key, sealed text not null, tries integer not null default 0,
    next_at real not null, until real not null) without rowid
"""
"""`sealed` is empty once it is sent; the row stays until `until`, so that a second invitation sends no second message."""


class Due(NamedTuple):
    """A message to be sent now. Times are Unix seconds."""

    token_id: str
    sealed: str
    tries: int


class Store:
    """Thread-safe. Every method blocks on the disk, and what it wrote is on it when it returns."""

    def __init__(self, folder: Path) -> None:
        self._connection = sqlite3.connect(folder / FILE, isolation_level=None, check_same_thread=False)
        self._connection.execute("pragma journal_mode=wal")
        self._connection.execute("pragma synchronous=full")
        self._connection.execute("pragma secure_delete=on")
        self._connection.execute(_TABLE)
        self._lock = threading.Lock()

    def add(self, token_id: str, sealed: str, now: float, until: float) -> bool:
        """Keep a message; False if there was one for this token already."""
        with self._one() as connection:
            added = connection.execute(
                "insert or ignore into message (token_id, sealed, next_at, until) values (?, ?, ?, ?)",
                (token_id, sealed, now, until),
            )
            return added.rowcount == 1

    def due(self, now: float, limit: int) -> list[Due]:
        """What may be tried now, the longest waiting first."""
        with self._one() as connection:
            rows = connection.execute(
                "select token_id, sealed, tries from message where sealed <> '' and next_at <= ? and until > ?"
                " order by next_at limit ?",
                (now, now, limit),
            )
            return [Due(*row) for row in rows]

    def sent(self, token_id: str) -> None:
        """Forget what it said."""
        with self._one() as connection:
            connection.execute("update message set sealed = '' where token_id = ?", (token_id,))

    def failed(self, token_id: str, next_at: float) -> None:
        """Try it again then."""
        with self._one() as connection:
            connection.execute(
                "update message set tries = tries + 1, next_at = ? where token_id = ?", (next_at, token_id)
            )

    def forget(self, now: float) -> int:
        """Delete those whose time is over; returns how many of them were never sent."""
        with self._one() as connection:
            rows = connection.execute(
                "delete from message where until <= ? returning sealed", (now,)
            ).fetchall()
            return sum(1 for (sealed,) in rows if sealed)

    def waiting(self) -> int:
        """How many are not sent."""
        with self._one() as connection:
            (count,) = connection.execute("select count(*) from message where sealed <> ''").fetchone()
            return int(count)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def _one(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            yield self._connection
