"""How far a foreign database has been read: a SQLite file that says which rows have been acknowledged."""

import sqlite3
from collections.abc import Iterable
from pathlib import Path

from producers.errors import DamagedError
from producers.imports.database.cursor import Cursor, Type

_TABLES = """
create table if not exists position (one integer primary key check (one = 1), type text, value);
create table if not exists seen (key blob primary key, at) without rowid;
create index if not exists seen_at on seen (at);
create table if not exists shared (number text primary key) without rowid;
"""


class Position:
    """The last acknowledged cursor value, and which rows at it and a little before it are acknowledged.

    On disk when `save` returns (synchronous=FULL). One process at a time; who opens it sees to that. Raises DamagedError.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        file.touch(mode=0o600)
        self._store = sqlite3.connect(file, isolation_level=None)
        try:
            self._store.execute("pragma journal_mode = wal")
            self._store.execute("pragma synchronous = full")
            self._store.executescript(_TABLES)
            row = self._store.execute("select type, value from position").fetchone()
            numbers = self._store.execute("select number from shared").fetchall()
        except sqlite3.DatabaseError as error:
            self._store.close()
            raise DamagedError(
                f"{file} is damaged ({error}): delete it; everything is read again, and known rows are duplicates"
            ) from None
        self.upto = Cursor(Type(row[0]), row[1]) if row else None
        self.shared = frozenset(number for (number,) in numbers)

    def has(self, key: bytes) -> bool:
        """Whether this row has been acknowledged. It is known of rows that are still within the overlap."""
        return self._store.execute("select 1 from seen where key = ?", (key,)).fetchone() is not None

    def save(self, rows: Iterable[tuple[bytes, Cursor]], upto: Cursor, since: Cursor) -> None:
        """These rows are acknowledged, and all before `upto`; rows before `since` will not be asked for again. Blocks."""
        forget = "at <> ?" if upto.type is Type.TEXT else "at < ?"
        with self._store:
            self._store.execute("begin immediate")
            self._store.executemany(
                "insert or ignore into seen values (?, ?)", ((key, at.value) for key, at in rows)
            )
            self._store.execute(f"delete from seen where {forget}", (since.value,))  # noqa: S608
            self._store.execute(
                "insert or replace into position values (1, ?, ?)", (upto.type.value, upto.value)
            )
        self.upto = upto

    def share(self, numbers: frozenset[str]) -> None:
        """These case numbers, too, are no case's own. Blocks."""
        if fresh := numbers - self.shared:
            self._store.executemany("insert or ignore into shared values (?)", ((n,) for n in fresh))
            self.shared |= fresh

    def close(self) -> None:
        """Let go of the file."""
        self._store.close()
