"""Partitions whose next portion fails of itself, tried apart until it goes in: the others are folded meanwhile.

The portion is divided down to the record that is in the way; that one is tried again and again, and people are told its place.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import NamedTuple

import psycopg2
from psycopg2.extensions import cursor as Cursor
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from pipeline.ledger import blockades
from pipeline.ledger.engine import transaction
from pipeline.ledger.fold import Folder
from pipeline.ledger.portion import Portion
from pipeline.ledger.positions import TopicPartition
from pipeline.worker.attempts import Attempts, OwnFaultError

log = logging.getLogger(__name__)

AGAIN_SECONDS = 3.0
"""Between two tries of the record that is in the way: a cause that is gone is noticed soon, and costs little until then."""

Freed = Callable[[TopicPartition, int], Awaitable[None]]


class Blockade(NamedTuple):
    """A partition that stands still, the record in its way, and why."""

    topic: str
    partition: int
    offset: int
    error: str
    since: datetime

    def __str__(self) -> str:
        """What happened, and what to do."""
        return blockades.sentence(self.topic, self.partition, self.offset, self.error)


class Blocked:
    """`freed` is awaited with a partition and the offset up to which it is folded. `name`: the worker's, for people."""

    def __init__(self, folder: Folder, ledger: Engine, name: str, freed: Freed) -> None:
        self._attempts = Attempts(folder, ledger, "blocked")
        self._ledger, self._name, self._freed = ledger, name, freed
        self._tasks: dict[TopicPartition, asyncio.Task[None]] = {}
        self._turn = asyncio.Lock()
        self.blockades: dict[TopicPartition, Blockade] = {}

    @property
    def partitions(self) -> set[TopicPartition]:
        """Those that stand still."""
        return set(self._tasks)

    async def add(self, portions: Sequence[Portion], fault: OwnFaultError) -> None:
        """Block the partition of these portions, which lie one behind the other; only the first is held in memory."""
        first = portions[0]
        at = first.topic, first.partition
        log.error("partition_blocked", extra={"topic": at[0], "partition": at[1], "error": str(fault)})
        await self._tell(Blockade(*at, _place(first), str(fault), datetime.now(UTC)))
        self._tasks[at] = asyncio.create_task(self._until_folded(at, first))

    def let_go(self) -> None:
        """Try none of them any more: partitions were assigned anew, and are read from where the ledger stands."""
        for task in self._tasks.values():
            task.cancel()
        self._tasks.clear()

    async def forget(self, partitions: Collection[TopicPartition]) -> None:
        """These do not stand still, as far as anybody knows."""
        for at in partitions:
            self._tasks.pop(at, None)
            self.blockades.pop(at, None)
        await self._guarded(lambda cursor: blockades.remove(cursor, partitions))

    def close(self) -> None:
        """Give back the thread and the connection. Blocks while a transaction is under way."""
        self._attempts.close()

    async def _until_folded(self, at: TopicPartition, portion: Portion) -> None:
        """1. Divide what fails. 2. Try the single record in the way again and again. 3. Free the partition."""
        todo = [portion]
        while todo:
            try:
                async with self._turn:
                    await self._try(todo[-1])
            except Exception as fault:  # noqa: BLE001  whatever it is: it stops this partition alone, and is tried again
                if halves := _halves(todo[-1]):
                    todo[-1:] = reversed(halves)
                else:
                    await self._tell(Blockade(*at, _place(todo[-1]), str(fault), self.blockades[at].since))
                    await asyncio.sleep(AGAIN_SECONDS)
            else:
                todo.pop()
        await self.forget({at})
        log.warning("partition_freed", extra={"topic": at[0], "partition": at[1]})
        await self._freed(at, portion.end)

    async def _try(self, part: Portion) -> None:
        at = part.topic, part.partition
        found: dict[int, str] = {}
        await self._guarded(lambda cursor: found.update(blockades.step_over(cursor).get(at, {})))
        self._attempts.step_over = {at: found}
        await self._attempts.fold([part])

    async def _tell(self, blockade: Blockade) -> None:
        self.blockades[blockade.topic, blockade.partition] = blockade
        await self._guarded(lambda cursor: blockades.record(cursor, self._name, blockade))

    async def _guarded(self, act: Callable[[Cursor], None]) -> None:
        """What people are told must not keep the record from being tried."""

        def run() -> None:
            with transaction(self._ledger) as cursor:
                act(cursor)

        with suppress(DBAPIError, psycopg2.Error):
            await asyncio.to_thread(run)


def _place(portion: Portion) -> int:
    """The offset of its first record; where it begins if it holds none."""
    return portion.records[0].offset if portion.records else portion.start


def _halves(portion: Portion) -> list[Portion]:
    """Its two halves; nothing if there is one record or none."""
    if len(portion.records) < 2:
        return []
    middle = portion.records[len(portion.records) // 2].offset
    return [portion.until(middle), portion.since(middle)]
