"""How far a foreign database has been read: a SQLite file that says which rows have been acknowledged."""

import sqlite3
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from producers.errors import DamagedError
from producers.imports.database.cursor import Cursor, Type

_TABLES = """
create table if not exists position (one integer primary key check (one = 1), type text, value);
create table if not exists seen (key blob primary key, at) without rowid;
create index if not exists seen_at on seen (at);
create table if not exists shared (number text primary key) without rowid;
create table if not exists told (service blob, application blob, primary key (service, application)) without rowid;
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

    def save(self, rows: Iterable[tuple[bytes, Cursor | None]], upto: Cursor | None, overlap: int) -> None:
        """These rows are acknowledged, and all before `upto`. Rows further before it than `overlap` will not be asked for again,
        and are forgotten; those without a cursor never. Blocks.
        """
        with self._store:
            self._store.execute("begin immediate")
            self._store.executemany(
                "insert or ignore into seen values (?, ?)", ((key, at and at.value) for key, at in rows)
            )
            if upto is not None:
                self._move(upto, upto.back(overlap))
        self.upto = upto

    def _move(self, upto: Cursor, since: Cursor) -> None:
        forget = "at <> ?" if upto.type is Type.TEXT else "at < ?"
        self._store.execute(f"delete from seen where {forget}", (since.value,))  # noqa: S608
        self._store.execute("insert or replace into position values (1, ?, ?)", (upto.type.value, upto.value))

    def leave_future(self, latest: datetime) -> bool:
        """Whether it lay later than that: then it begins anew, for what came since may have been passed over."""
        ahead = self.upto is not None and self.upto.is_ahead(latest)
        if ahead:
            self.upto = None
        return ahead

    def strangers(self, told: Iterable[tuple[str, bytes, bytes]], many: int, *, keep: bool) -> frozenset[str]:
        """The case numbers under which one service was told of for so many different applications, now or ever. Blocks.

        `told`: number, service, application of each row. `keep`: remember them. Nothing is remembered if an error passes.
        """
        found: set[str] = set()
        self._store.execute("begin immediate")
        try:
            for number, service, application in told:
                if (
                    number not in found
                    and number not in self.shared
                    and self._met(service, application) >= many
                ):
                    found.add(number)
        except BaseException:
            self._store.execute("rollback")
            raise
        self._store.execute("commit" if keep else "rollback")
        return frozenset(found)

    def _met(self, service: bytes, application: bytes) -> int:
        self._store.execute("insert or ignore into told values (?, ?)", (service, application))
        return int(
            self._store.execute("select count(*) from told where service = ?", (service,)).fetchone()[0]
        )

    def share(self, numbers: frozenset[str]) -> None:
        """These case numbers, too, are no case's own. Blocks."""
        if fresh := numbers - self.shared:
            self._store.executemany("insert or ignore into shared values (?)", ((n,) for n in fresh))
            self.shared |= fresh

    def close(self) -> None:
        """Let go of the file."""
        self._store.close()
