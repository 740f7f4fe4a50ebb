"""Is all that lies in the log in the ledger, and all that the ledger has to tell in the log?"""

import time
from typing import NamedTuple

from sqlalchemy import text

from deploy.errors import StackError
from pipeline.ledger.engine import engine
from pipeline.log import watermarks
from pipeline.settings import Settings

STALL_SECONDS = 120.0


class Rest(NamedTuple):
    """What is still to do: records to fold, rows to send."""

    records: int
    outbox: int


def rest(settings: Settings) -> Rest:
    """What is still to do. Blocks."""
    pool = engine(settings.database, "supervisor", pool_size=1)
    try:
        with pool.connect() as connection:
            rows = connection.execute(
                text("select topic, partition, next_offset from stream_position where retired_at is null")
            )
            positions = {(row.topic, row.partition): row.next_offset for row in rows}
            unsent = connection.scalar(text("select count(*) from outbox where sent_at is null"))
    finally:
        pool.dispose()
    marks = watermarks(settings.kafka)
    behind = sum(max(0, mark.end - positions.get((mark.topic, mark.partition), mark.start)) for mark in marks)
    return Rest(behind, int(unsent or 0))


class Draining:
    """Watches `rest` go down."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._last: Rest | None = None
        self._moved = time.monotonic()

    def done(self) -> bool:
        """Whether nothing is left. Blocks. StackError when nothing has moved for two minutes."""
        now = rest(self._settings)
        if now != self._last:
            self._last, self._moved = now, time.monotonic()
        if time.monotonic() - self._moved > STALL_SECONDS:
            raise StackError(
                f"{now.records} records to fold and {now.outbox} rows to send, and nothing has moved for "
                f"{STALL_SECONDS:.0f} s: see the worker's log"
            )
        return now == Rest(0, 0)
