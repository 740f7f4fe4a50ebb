"""All the keepers together: started in order, looked after, stopped in the opposite order."""

import asyncio
from itertools import groupby

import psutil

from deploy.keeper import Keeper


class Supervisor:
    """Use it from one event loop, in the main thread: the processes die with the thread that starts them."""

    def __init__(self) -> None:
        self.keepers: list[Keeper] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self, *keepers: Keeper) -> None:
        """Start these at once; when all answer, go on keeping them. Raises StackError of the first that cannot start."""
        self.keepers += keepers
        starts = [asyncio.create_task(keeper.start()) for keeper in keepers]
        self._tasks += starts
        await asyncio.gather(*starts)
        self._tasks += [asyncio.create_task(keeper.keep()) for keeper in keepers]

    def check(self) -> None:
        """Raise what a keeper did not expect: then the supervisor is broken, and must not look healthy."""
        for task in self._tasks:
            if task.done() and not task.cancelled() and (error := task.exception()):
                raise error

    async def stop(self) -> None:
        """Stop all, those of the highest rank first, and whatever a preparation has started. Takes under 15 s."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        by_rank = sorted(self.keepers, key=lambda keeper: -keeper.rank)
        for _, rank in groupby(by_rank, key=lambda keeper: keeper.rank):
            await asyncio.gather(*(keeper.stop() for keeper in rank))
        for left in psutil.Process().children(recursive=True):
            left.kill()
