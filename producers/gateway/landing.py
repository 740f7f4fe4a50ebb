"""From the spool's thread back to the event loop: what was committed together comes back together.

`asyncio.wrap_future` wakes the loop once for each record; at a few hundred records a commit that is a third of the work.
"""

import asyncio
from collections import deque
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")


class Landing:
    """For one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._landed: deque[tuple[asyncio.Future[Any], Future[Any]]] = deque()
        self._is_called = False

    async def wait(self, future: "Future[T]") -> T:
        """What the future gives, or raises."""
        waiting: asyncio.Future[T] = self.loop.create_future()
        future.add_done_callback(lambda done: self._land(waiting, done))
        return await waiting

    def _land(self, waiting: "asyncio.Future[Any]", done: "Future[Any]") -> None:
        """In the other thread. Does not block."""
        self._landed.append((waiting, done))
        if not self._is_called and not self.loop.is_closed():
            self._is_called = True
            self.loop.call_soon_threadsafe(self._hand_out)

    def _hand_out(self) -> None:
        self._is_called = False  # first: what lands from now on calls again
        while self._landed:
            waiting, done = self._landed.popleft()
            if waiting.done():
                continue  # whoever waited has gone
            error = done.exception()
            if error is None:
                waiting.set_result(done.result())
            else:
                waiting.set_exception(error)
