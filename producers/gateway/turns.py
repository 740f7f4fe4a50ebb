"""Long work in the event loop, done in turns: the requests of others go on in between."""

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import TypeVar

TURN_SECONDS = 0.005

T = TypeVar("T")
R = TypeVar("R")


class Turns:
    """One piece of work at a time: a hundred together would each take their turn before anybody else's."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._busy = asyncio.Lock()

    async def each(self, act: Callable[[T], R], items: Iterable[T]) -> list[R]:
        """What `act` returns for each item, in order. The loop is held for one item longer than TURN_SECONDS at most.

        Raises what `act` raises.
        """
        if self._loop is not (loop := asyncio.get_running_loop()):
            self._loop, self._busy = loop, asyncio.Lock()
        async with self._busy:
            done: list[R] = []
            end = time.perf_counter() + TURN_SECONDS
            for item in items:
                done.append(act(item))
                if time.perf_counter() >= end:
                    await asyncio.sleep(0)
                    end = time.perf_counter() + TURN_SECONDS
            return done
