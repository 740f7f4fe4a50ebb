"""A ledger with one of everything in it, folded by a real worker, and what may differ between two of the same log."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import text

from pipeline.ledger import tables
from pipeline.ledger.raw import unpack
from schemas.topics import Stream
from tests.harness import DEPT, System, case, now, review
from tests.wait import wait_for

RUN_TIME = {"moved_at", "created_at", "found_at", "stripe", "retired_at"}
"""Columns that say when a machine did its work, or which."""
RECORDS = {"raw_block", "counter", "outbox", "repair"}
"""Tables that are cut as the batches came, compared as what they sum up to; what was told, and what went wrong."""


def tell(system: System) -> None:
    """Matches in both orders, versions, disputes, conflicts, defaults, follow-ups, orphans, late ones, ids used twice,
    identities open and sealed, hostile text, dead letters, a tombstone."""
    twice, reused = review("pair", 1), case("reused")
    system.send(case("pair"), twice, twice, review("pair", 5), review("pair", 4, channel="default"))
    system.send(
        review("pair", 5, review_no=2),
        review("early", 2),
        review("orphan", 1),
        review(None, 2, dept_code=DEPT),
    )
    system.send(case("early", handling_mode="online"), case("twice"), case("twice", dept_code="610326"))
    system.send(
        reused,
        reused | {"status": "accepted"},
        case("alone", served_at=now(hours=60), received_at=now(hours=60)),
    )
    system.send(
        case("late", served_at=now(hours=30), received_at=now(hours=30)),
        review("late", submitted_at=now(hours=29)),
    )
    system.send(
        review("who", 1, reviewer={"phone": "19900001234"}, comment='tab\t\\N "q" {,}\nline', shoe_size=44)
    )
    system.send(review("odd", 1, reason_codes=["999", "115"], received_at="2199-01-01T00:00:00Z"))
    for value in (b"13800001111 is my number", b"[]", None):
        system.send_raw(Stream.REVIEW, value, b"any key", {"x": "1"})
    system.send(*(event for n in range(40) for event in (case(f"A{n}"), review(f"A{n}", 1 + n % 5))))


@contextmanager
def told(system: System) -> Iterator[System]:
    """The story in a live ledger, its worker still running."""
    tell(system)
    with system.worker():
        system.wait_until_caught_up()
        wait_for(lambda: not system.one("select count(*) from outbox where sent_at is null"), 30, "the relay")
        yield system


def everything(system: System, schema: str = "ledger") -> dict[str, Any]:
    """All that the log decides, comparable between two ledgers of the same log."""
    found: dict[str, Any] = {}
    with system.ledger.begin() as connection:
        connection.execute(text(f"set local search_path = {schema}"))
        for name, table in tables.ledger.tables.items():
            if name not in RECORDS:
                columns = ", ".join(f'"{c.name}"::text' for c in table.columns if c.name not in RUN_TIME)
                found[name] = sorted(map(str, connection.execute(text(f"select {columns} from {name}"))))
        sums = ", ".join(f"sum({c.name})" for c in tables.counter.columns if not c.primary_key)
        query = f"select day, dept_code, handling_mode, {sums} from counter group by 1, 2, 3 order by 1, 2, 3"
        found["counter"] = [tuple(row) for row in connection.execute(text(query)) if any(row[3:])]
        found["raw"] = raw(connection)
    return found


def raw(connection: Any) -> list[Any]:
    """Every raw record."""
    rows = connection.execute(text("select topic, partition, topic_id, data from raw_block"))
    return sorted((*row[:3], *record[:2], str(record)) for row in rows for record in unpack(bytes(row[3])))
