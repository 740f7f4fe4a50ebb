"""Where a spool's rows go."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from producers.spool.record import Row


class Unsent(Exception):
    """Not every row was acknowledged: the same rows again later, not before `retry_after` seconds.

    The message says why, with nothing of the rows in it.
    """

    def __init__(self, why: str, retry_after: float = 0) -> None:
        super().__init__(why)
        self.retry_after = retry_after


class Refused(Exception):
    """These rows (seq to reason) will never be taken, whatever is tried. All the others are acknowledged."""

    def __init__(self, reasons: Mapping[int, str]) -> None:
        super().__init__(f"{len(reasons)} rows")
        self.reasons = reasons


class Sink(Protocol):
    """For one thread. `most_rows` and `most_bytes` bound what it is given at once; a single row may be larger."""

    most_rows: int
    most_bytes: int

    def send(self, rows: Sequence[Row]) -> None:
        """Send these in their order. Returns when all of them are acknowledged. Blocks. Raises Unsent, Refused."""

    def close(self) -> None:
        """Let go of connections. It may be sent to again afterwards."""
