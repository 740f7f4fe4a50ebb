"""The spool's database as its one writing thread sees it: statements, no decisions."""

import json
import sqlite3
import zlib
from collections.abc import Iterable, Mapping, Sequence

from producers.spool.record import Packed

Event = tuple[str, str]
"""`event_id` and digest: what makes two rows the same event."""
FORGET_ROWS = 100
"""At a time: a small step, because what it changes goes through the journal, and appends wait for it."""
_INSERT = "insert into record (seq, event_id, digest, received, packed, crc) values (?, ?, ?, ?, ?, ?)"


class Store:
    """For one thread. Every method is a part of a transaction that the caller begins and commits. Blocks."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection

    def known(self, event_ids: Sequence[str]) -> dict[Event, int]:
        """Of these events the ones that are here, and when each was received."""
        rows = self.connection.execute(
            "select event_id, digest, received from record where event_id in (select value from json_each(?))",
            (json.dumps(event_ids),),
        )
        return {(event_id, digest): received for event_id, digest, received in rows}

    def owners(self, keys: Sequence[str]) -> dict[str, Event]:
        """Of these once-keys the ones that are used, and by which event."""
        if not keys:
            return {}
        rows = self.connection.execute(
            "select key, event_id, digest from once where key in (select value from json_each(?))",
            (json.dumps(keys),),
        )
        return {key: (event_id, digest) for key, event_id, digest in rows}

    def sent_up_to(self) -> int:
        """The last row that needs no more sending; 0 if there is none."""
        (seq,) = self.connection.execute("select seq from place").fetchone()
        return int(seq)

    def last(self) -> int:
        """The greatest seq that was ever given; 0 if none was."""
        (seq,) = self.connection.execute("select max(seq) from record").fetchone()
        return max(seq or 0, self.sent_up_to())

    def insert(self, rows: Iterable[Packed]) -> int:
        """New rows, in this order; returns the last seq."""
        first = self.last() + 1
        numbered = [(seq, *row) for seq, row in enumerate(rows, first)]
        self.connection.executemany(_INSERT, numbered)
        return first + len(numbered) - 1

    def use_nonces(self, nonces: Iterable[tuple[str, int]]) -> None:
        """Remember nonces, each with the time (ms) of its use."""
        self.connection.executemany("insert into nonce (nonce, at) values (?, ?)", nonces)

    def forget_nonces(self, before: int) -> None:
        """Forget, from the oldest on, nonces used before this time (ms)."""
        self.connection.execute(
            "delete from nonce where id < (select coalesce(min(id), 1 << 62) from nonce where at >= ?)",
            (before,),
        )

    def use_once(self, owners: Iterable[tuple[str, Event]]) -> None:
        """Remember who has used what may be used once."""
        self.connection.executemany(
            "insert into once (key, event_id, digest) values (?, ?, ?)",
            [(key, event_id, digest) for key, (event_id, digest) in owners],
        )

    def settle(self, first: int, last: int, refused: Mapping[int, str], now: int) -> None:
        """Rows `first` to `last` are acknowledged, but for those refused (seq to reason), which are set aside.

        None is marked if others wait before them: a resend came between.
        """
        for seq, reason in refused.items():
            self.set_aside(seq, reason, now)
        begun = self.sent_up_to() + 1
        if last >= begun and not self._waits(begun, first):
            self.connection.execute(
                "insert into run (first, last, sent) values (?, ?, ?)", (begun, last, now)
            )
            self._place(last)

    def _waits(self, begun: int, before: int) -> bool:
        found = self.connection.execute(
            "select 1 from record where seq >= ? and seq < ? and seq not in (select seq from refused)",
            (begun, before),
        )
        return found.fetchone() is not None

    def resend(self, since: int) -> None:
        """What was sent since this time (ms), and everything behind it, waits again."""
        (first,) = self.connection.execute("select min(first) from run where sent >= ?", (since,)).fetchone()
        if first is not None:
            self.connection.execute("delete from run where first >= ?", (first,))
            self._place(first - 1)

    def set_aside(self, seq: int, reason: str, now: int) -> None:
        """This row is never sent, and never forgotten."""
        self.connection.execute("insert or ignore into refused values (?, ?, ?)", (seq, reason, now))

    def probe(self, now: int) -> None:
        """Write a row that means nothing over itself; whether the disk takes it, the commit tells."""
        self.connection.execute("insert or replace into probe values (1, ?)", (now,))

    def has_sent(self) -> bool:
        """Whether there are sent rows, which would make way for new ones."""
        return self.connection.execute("select 1 from run limit 1").fetchone() is not None

    def retry_refused(self) -> int:
        """Rows that were set aside go behind all others, as new ones; returns how many."""
        rows = self.connection.execute("select seq from refused order by seq").fetchall()
        for (seq,) in rows:
            if seq <= self.sent_up_to():  # the others wait in their place
                self.connection.execute("update record set seq = ? where seq = ?", (self.last() + 1, seq))
        self.connection.execute("delete from refused")
        return len(rows)

    def forget_sent(self, before: int | None) -> bool:
        """Delete the oldest sent rows, some of one run, if they were sent before this time (ms; None: whenever).

        False if there are none.
        """
        run = self.connection.execute("select first, last, sent from run order by last limit 1").fetchone()
        if run is None or (before is not None and run[2] >= before):
            return False
        first, last = run[0], min(run[0] + FORGET_ROWS - 1, run[1], self.sent_up_to())
        self.connection.execute(
            "delete from record where seq between ? and ? and seq not in (select seq from refused)",
            (first, last),
        )
        self.connection.execute("update run set first = ? where last = ?", (run[0] + FORGET_ROWS, run[1]))
        self.connection.execute("delete from run where first > last")
        return True

    def _place(self, seq: int) -> None:
        self.connection.execute("update place set seq = ?, crc = ?", (seq, place_crc(seq)))


def place_crc(seq: int) -> int:
    """The checksum of a place."""
    return zlib.crc32(str(seq).encode()) if seq else 0
