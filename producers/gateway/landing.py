"""From the spool's thread back to the event loop: what was committed together comes back together.

`asyncio.wrap_future` makes two futures with a lock each and wakes the loop once for each record; at a few hundred records a
commit that is a third of the work.
"""

import asyncio
from collections import deque
from typing import Any


class Reply:
    """Waits in the loop for what the thread says."""

    __slots__ = ("_landing", "waiting")

    def __init__(self, landing: "Landing") -> None:
        self._landing = landing
        self.waiting: asyncio.Future[Any] = landing.loop.create_future()

    def set_result(self, result: Any) -> None:
        """In the thread. Does not block."""
        self._landing.land(self.waiting, result, None)

    def set_exception(self, error: BaseException) -> None:
        """In the thread. Does not block."""
        self._landing.land(self.waiting, None, error)


class Landing:
    """For one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._landed: deque[tuple[asyncio.Future[Any], Any, BaseException | None]] = deque()
        self._is_called = False

    def reply(self) -> Reply:
        """Somebody to tell; await its `waiting`."""
        return Reply(self)

    def land(self, waiting: "asyncio.Future[Any]", result: Any, error: BaseException | None) -> None:
        """From any thread: this one has its answer. Does not block."""
        self._landed.append((waiting, result, error))
        if not self._is_called and not self.loop.is_closed():
            self._is_called = True
            self.loop.call_soon_threadsafe(self._hand_out)

    def _hand_out(self) -> None:
        self._is_called = False  # first: what lands from now on calls again
        while self._landed:
            waiting, result, error = self._landed.popleft()
            if waiting.done():
                continue  # whoever waited has gone
            if error is None:
                waiting.set_result(result)
            else:
                waiting.set_exception(error)
