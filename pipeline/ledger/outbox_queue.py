"""The outbox as a queue: rows to send next, rows sent, rows that Kafka refuses (set aside), rows put back by a person."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Row, func, select, text, update

from pipeline.ledger.engine import opened_engine
from pipeline.ledger.failures import Stop
from pipeline.ledger.tables import outbox
from pipeline.privacy import mask
from pipeline.settings import Settings
from schemas.topics import Stream

BATCH_ROWS = 500
BATCH_BYTES = 8 * 1024 * 1024
"""At most so much is in memory at once, plus one row."""
_LOCK = 0x6F7574
_UNSENT = outbox.c.sent_at.is_(None) & outbox.c.set_aside_at.is_(None)
_NEXT = text("""
    select id, key, headers, value from (
        select id, key, headers, value, sum(bytes) over (order by id) - bytes as bytes_before from (
            select *, coalesce(octet_length(value), 0) + pg_column_size(headers) as bytes from outbox
            where stream = :stream and sent_at is null and set_aside_at is null order by id limit :rows) unsent) summed
    where bytes_before < :bytes order by id""").columns(
    outbox.c.id, outbox.c.key, outbox.c.headers, outbox.c.value
)


class SetAside(NamedTuple):
    """A row that Kafka refused for what it is. `error`: why."""

    id: int
    stream: str
    key: bytes | None
    set_aside_at: datetime
    error: str

    def shown(self, zone: str) -> dict[str, int | str]:
        """For people and programs: times in this zone, numbers of citizens in the key masked, bytes that are no text escaped."""
        key = mask((self.key or b"").decode("utf-8", "backslashreplace"))
        return {
            "id": self.id,
            "stream": self.stream,
            "key": "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in key),
            "since": self.set_aside_at.astimezone(ZoneInfo(zone)).isoformat(timespec="seconds"),
            "error": self.error,
        }


def any_unsent(connection: Connection, stream: Stream) -> bool:
    """Whether a row of this stream is to be sent. Blocks."""
    return bool(connection.scalar(select(select(outbox.c.id).where(_of(stream)).exists())))


def claim(connection: Connection, stream: Stream) -> bool:
    """Take the advisory lock of this stream until the end of the transaction; False if another relay holds it."""
    return bool(connection.scalar(select(func.pg_try_advisory_xact_lock(_LOCK, list(Stream).index(stream)))))


def next_rows(connection: Connection, stream: Stream) -> Sequence[Row[Any]]:
    """The rows to send now (id, key, headers, value), the oldest first; of each ticket one step, its first. Blocks.

    Rows of one ticket are written under the lock of its service, so their ids are in the order of its steps.
    """
    limits = {"stream": stream.value, "rows": BATCH_ROWS, "bytes": BATCH_BYTES}
    rows = connection.execute(_NEXT, limits).all()
    if stream is not Stream.TICKET:
        return rows
    first = {row.key: row for row in reversed(rows)}
    return sorted(first.values(), key=lambda row: row.id)


def mark(connection: Connection, sent: Collection[int], refused: Mapping[int, str]) -> None:
    """Record what was acknowledged, and set aside what was refused (id → why). Blocks."""
    connection.execute(update(outbox).where(outbox.c.id.in_(sent)).values(sent_at=text("now()")))
    for id_, why in refused.items():
        connection.execute(
            update(outbox).where(outbox.c.id == id_).values(set_aside_at=text("now()"), error=why)
        )


def set_aside(connection: Connection) -> list[SetAside]:
    """The rows that are set aside, the oldest first. Blocks."""
    columns = [outbox.c[name] for name in SetAside._fields]
    rows = connection.execute(
        select(*columns).where(outbox.c.set_aside_at.is_not(None)).order_by(outbox.c.id)
    )
    return [SetAside(*row) for row in rows]


def put_back(connection: Connection, ids: Collection[int] | None, by: str) -> int:
    """Make these rows unsent again (None: all that are set aside), and record who did it; returns how many. Blocks.

    Raises Stop if one of the ids is not set aside: roll back then.
    """
    aside = outbox.c.set_aside_at.is_not(None)
    back = connection.scalars(
        update(outbox)
        .where(aside if ids is None else aside & outbox.c.id.in_(ids))
        .values(set_aside_at=None, error=None, retried_at=text("now()"), retried_by=by)
        .returning(outbox.c.id)
    ).all()
    if unknown := sorted(set(ids or ()) - set(back)):
        raise Stop(
            f"not set aside: {', '.join(map(str, unknown))}; nothing was changed, `hcp outbox list` shows the rows"
        )
    return len(back)


@contextmanager
def opened(settings: Settings) -> Iterator[Connection]:
    """A transaction for a command. Blocks; raises sqlalchemy errors when the database is away."""
    with opened_engine(settings.database, "outbox") as pool, pool.begin() as connection:
        yield connection


def _of(stream: Stream) -> Any:
    return _UNSENT & (outbox.c.stream == stream.value)
