"""An answer that is dear to ask for is kept for a while: asking takes a twentieth of the time, and nobody waits for it twice."""

import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from threading import Thread
from typing import Generic, TypeVar

T = TypeVar("T")

SHARE = 0.05
"""How much of the time asking may take: what takes 5 ms is asked ten times a second, what takes 2.4 s every 48 s."""
PATIENCE_SECONDS = 0.5
"""For an answer that comes soon: within that, who looks sees what is now."""


def in_thread(act: Callable[[], T]) -> Future[T]:
    """Its result, from a thread that does not keep the process from ending."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(act())
        except Exception as error:  # noqa: BLE001  it is raised where the result is asked for
            future.set_exception(error)

    Thread(target=run, name="kept", daemon=True).start()
    return future


class Kept(Generic[T]):
    """The answer to `ask`, which is never None. For one caller at a time. `clock`: seconds, never going back."""

    def __init__(
        self,
        ask: Callable[[], T],
        clock: Callable[[], float] = time.monotonic,
        beside: Callable[[Callable[[], T]], Future[T]] = in_thread,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self._ask, self._clock, self._beside, self._patience = ask, clock, beside, patience
        self._answer: T | None = None
        self._asking: Future[T] | None = None
        self._due = 0.0

    def get(self) -> T:
        """The last answer. Blocks for the first one until it is there, for a later one half a second at most.

        Raises what asking raised, once; the answer before it is kept.
        """
        if self._answer is None:
            self._answer = self._asked()
            return self._answer
        if self._asking is None and self._clock() >= self._due:
            self._asking = self._beside(self._asked)
        if self._asking is not None and wait([self._asking], self._patience).done:
            asked, self._asking = self._asking, None
            self._answer = asked.result()
        return self._answer

    def _asked(self) -> T:
        began = self._clock()
        try:
            return self._ask()
        finally:
            now = self._clock()
            self._due = now + (now - began) * (1 / SHARE - 1)
