"""Reading the spool beside its writer: what waits, what is where, how old and how large it is."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from producers.spool.record import FoundIn, Packed, from_ms
from producers.spool.room import Room
from producers.spool.tables import reader

_PENDING = """
select seq, event_id, digest, received, packed, crc from record
where seq > (select seq from place) and seq not in (select seq from refused)
order by seq limit ?
"""
_FIND = """
select received, case when seq in (select seq from refused) then 'refused'
    when seq <= (select seq from place) then 'sent' else 'waiting' end
from record where event_id = ? order by seq limit 1
"""
_ROW = """
select seq, event_id, digest, received, packed, crc from record where event_id = ? order by seq limit 1
"""
_COUNTS = """
select max(coalesce((select max(seq) from record), 0) - sent, 0)
        - (select count(*) from refused where seq > sent),
    sent + 1 - coalesce((select first from run order by last limit 1), sent + 1),
    (select count(*) from refused)
from (select seq as sent from place)
"""
"""Behind the place no seq is missing: rows are numbered one after the other and deleted only before it."""
_REFUSED = """
select seq, event_id, reason, received from refused join record using (seq) order by seq
"""


class Counts(NamedTuple):
    """Rows that wait, rows in front of them that are still here, rows that no sink takes."""

    pending: int
    sent: int
    refused: int


class RefusedRow(NamedTuple):
    """A row that was set aside."""

    seq: int
    event_id: str
    reason: str
    received_at: datetime


class Reading:
    """A connection of its own, one caller at a time. Every method blocks on the disk, for a moment."""

    def __init__(self, folder: Path) -> None:
        self._connection = reader(folder)
        self._lock = threading.Lock()

    def pending(self, limit: int, max_bytes: int) -> list[tuple[int, Packed]]:
        """The first rows that wait, in order; at least one, if there is one."""
        rows: list[tuple[int, Packed]] = []
        with self._reading() as connection, closing(connection.execute(_PENDING, (limit,))) as found:
            for seq, *row in found:
                rows.append((seq, Packed(*row)))
                max_bytes -= len(rows[-1][1].packed)
                if max_bytes <= 0:
                    break
        return rows

    def find(self, event_id: str) -> FoundIn | None:
        """Where the event is; the first one, if several bear this id."""
        with self._reading() as connection:
            found = connection.execute(_FIND, (event_id,)).fetchone()
        return FoundIn(found[1], from_ms(found[0])) if found else None

    def row(self, event_id: str) -> tuple[int, Packed] | None:
        """The event's row; the first one, if several bear this id."""
        with self._reading() as connection:
            found = connection.execute(_ROW, (event_id,)).fetchone()
        return (found[0], Packed(*found[1:])) if found else None

    def owner(self, once: str) -> str:
        """The id of the event that has used this; empty if none has."""
        with self._reading() as connection:
            found = connection.execute("select event_id from once where key = ?", (once,)).fetchone()
        return str(found[0]) if found else ""

    def counts(self) -> Counts:
        """How many rows there are of each kind."""
        with self._reading() as connection:
            return Counts(*connection.execute(_COUNTS).fetchone())

    def refused(self) -> list[RefusedRow]:
        """What was set aside, in order."""
        with self._reading() as connection:
            found = connection.execute(_REFUSED).fetchall()
        return [RefusedRow(seq, event_id, reason, from_ms(at)) for seq, event_id, reason, at in found]

    def oldest(self) -> int | None:
        """When the first row that waits was received (ms)."""
        rows = self.pending(1, 1)
        return rows[0][1].received if rows else None

    def used(self, room: Room) -> int:
        """Bytes in use."""
        with self._reading() as connection:
            return room.used(connection)

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            yield self._connection
