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
"""`sealed` is empty once it is sent; the row stays until `until`, so that a second invitation sends no second message.
`refused` says why it is not tried again."""
_LATER = dict.fromkeys(("id", "refused"), "text not null default ''")
"""Columns that a file of an earlier version does not have."""
_ADD = """
insert into message (token_id, id, sealed, next_at, until) values (?, ?, ?, ?, ?)
on conflict (token_id) do update
set id = excluded.id, sealed = excluded.sealed, tries = 0, next_at = excluded.next_at, until = excluded.until,
    refused = ''
where message.sealed <> ''
"""


class Due(NamedTuple):
    """A message to be sent now. What comes of it is told of its id: one of another id may have taken its place meanwhile."""

    token_id: str
    id: str
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
        there = {name for _, name, *_ in self._connection.execute("pragma table_info(message)")}
        for name in _LATER.keys() - there:
            self._connection.execute(f"alter table message add column {name} {_LATER[name]}")
        self._lock = threading.Lock()

    def add(self, token_id: str, message_id: str, sealed: str, now: float, until: float) -> bool:
        """Keep a message, in place of one of this token that is not sent; False if that is sent already."""
        with self._one() as connection:
            return connection.execute(_ADD, (token_id, message_id, sealed, now, until)).rowcount == 1

    def due(self, now: float, limit: int) -> list[Due]:
        """What may be tried now, the longest waiting first."""
        with self._one() as connection:
            rows = connection.execute(
                "select token_id, id, sealed, tries from message where sealed <> '' and refused = '' and next_at <= ? and until > ?"
                " order by next_at limit ?",
                (now, now, limit),
            )
            return [Due(*row) for row in rows]

    def sent(self, one: Due) -> None:
        """Forget what it said."""
        self._change("sealed = '', id = ''", one)

    def failed(self, one: Due, next_at: float) -> None:
        """Try it again then, in Unix seconds."""
        self._change("tries = tries + 1, next_at = ?", one, next_at)

    def refuse(self, one: Due, why: str) -> None:
        """Try it no more."""
        self._change("refused = ?", one, why)

    def retry(self) -> int:
        """Try everything again that was refused, from now on; returns how many."""
        with self._one() as connection:
            again = "update message set refused = '', tries = 0, next_at = 0 where refused <> ''"
            return connection.execute(again).rowcount

    def forget(self, now: float) -> int:
        """Delete those whose time is over; returns how many of them were neither sent nor refused."""
        with self._one() as connection:
            rows = connection.execute(
                "delete from message where until <= ? returning sealed <> '' and refused = ''", (now,)
            ).fetchall()
            return sum(waited for (waited,) in rows)

    def waiting(self) -> int:
        """How many will be tried again."""
        with self._one() as connection:
            asked = "select count(*) from message where sealed <> '' and refused = ''"
            (count,) = connection.execute(asked).fetchone()
            return int(count)

    def refused(self) -> dict[str, int]:
        """Why → how many are tried no more for that."""
        with self._one() as connection:
            asked = (
                "select refused, count(*) from message where refused <> '' group by refused order by refused"
            )
            return dict(connection.execute(asked).fetchall())

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def _change(self, how: str, one: Due, *values: object) -> None:
        with self._one() as connection:
            connection.execute(
                f"update message set {how} where token_id = ? and id = ?",  # noqa: S608  the words are ours
                (*values, one.token_id, one.id),
            )

    @contextmanager
    def _one(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            yield self._connection
