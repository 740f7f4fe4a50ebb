"""Where an import's events go: the log, or what a test or a simulation puts before it."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol

from pipeline.settings import Settings


class Sink(Protocol):
    """What the events go to: a Publisher, or what stands before one."""

    def send(self, event: Any, source: str) -> None:
        """Take one event of the kind that the mapping gives."""

    def flush(self) -> None:
        """Wait until all are safe."""


Connect = Callable[[Settings], AbstractContextManager[Sink]]
"""Opens the sink; leaving it waits for what is under way."""
