"""Is all that lies in the log in the ledger, and all that the ledger has to tell in the log?"""

import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from deploy.errors import StackError

STALL_SECONDS = 120.0


class Rest(NamedTuple):
    """What is still to do: records to fold, rows to send."""

    records: int
    outbox: int


class Draining:
    """Watches what is left go down, from one picture of `consumers.status` to the next."""

    def __init__(self) -> None:
        self._last: Rest | None = None
        self._moved = time.monotonic()

    def done(self, picture: Mapping[str, Any]) -> bool:
        """Whether nothing is left. StackError when nothing has moved for two minutes."""
        if not picture["topics"] or "outbox" not in picture:
            return False  # a server is away: nobody knows
        now = Rest(sum(topic["lag"] for topic in picture["topics"]), picture["outbox"]["unsent"])
        if now != self._last:
            self._last, self._moved = now, time.monotonic()
        if time.monotonic() - self._moved > STALL_SECONDS:
            raise StackError(
                f"{now.records} records to fold and {now.outbox} rows to send, and nothing has moved for "
                f"{STALL_SECONDS:.0f} s: see the worker's log"
            )
        return now == Rest(0, 0)
