"""From portions to transactions, batch by batch, in a thread of its own: heartbeats go on meanwhile."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from time import monotonic
from typing import NamedTuple

from sqlalchemy import Engine

from pipeline import metrics
from pipeline.ledger.fold import Folded, Folder
from pipeline.ledger.portion import Portion
from pipeline.ledger.positions import TopicPartition
from pipeline.worker.attempts import Attempts, OwnFaultError, StepOver
from pipeline.worker.blocked import Blocked

log = logging.getLogger(__name__)

INTAKE = 6
"""Rounds that wait: each is a part of a batch (see PARTS), so about a batch and a half."""
BATCH_BYTES = 16 * 2**20
"""Of the values of a batch, about: rounds are bounded in bytes, so there is little more in one transaction."""

LOST_SECONDS = 2.0
"""So long after the reader was sent back somewhere, what still comes from elsewhere is not on its way any more: it is sent again."""

Seek = Callable[[Mapping[TopicPartition, int]], Awaitable[None]]


class Expected(NamedTuple):
    """The offset that a partition is read again from, and since when (monotonic)."""

    offset: int
    since: float


class Folding:
    """Takes portions in, folds them in batches, sends the reader back when there is a gap.

    `seek` is awaited with the offsets to read again from. `made_anew` holds the partitions of topics that were made anew:
    nothing of them is folded. `blocked` holds those whose next batch fails of itself: they are tried apart.
    """

    def __init__(self, folder: Folder, ledger: Engine, seek: Seek, batch_records: int, name: str) -> None:
        self._attempts = Attempts(folder, ledger, "fold")
        self._seek = seek
        self._batch_records = batch_records
        self._intake: asyncio.Queue[list[Portion]] = asyncio.Queue(maxsize=INTAKE)
        self._expected: dict[TopicPartition, Expected] = {}
        self._busy = False
        self.blocked = Blocked(folder, ledger, name, self._freed)
        self.made_anew: set[TopicPartition] = set()
        self.folded_to: dict[TopicPartition, int] = {}

    @property
    def last_error(self) -> str:
        """What went wrong with the batch that is being tried; empty once it is folded."""
        return self._attempts.last_error

    def step_over(self, records: StepOver) -> None:
        """From now on these records are left out, as persons had it."""
        self._attempts.step_over = records

    def not_read(self) -> set[TopicPartition]:
        """Partitions of which nothing more need be read for now."""
        return self.made_anew | self.blocked.partitions

    async def take_in(self, portions: list[Portion]) -> None:
        """Hand over the portions of a round; waits while there is enough to do."""
        await self._intake.put(portions)

    @property
    def idle(self) -> bool:
        """Whether nothing that was taken in still waits for its transaction."""
        return self._intake.empty() and not self._busy

    def expect(self, starts: Mapping[TopicPartition, int]) -> None:
        """After a seek: portions that lie behind these offsets are still on their way and are dropped."""
        now = monotonic()
        self._expected.update({at: Expected(offset, now) for at, offset in starts.items()})

    def begin_anew(self) -> None:
        """After an assignment: nothing is on its way any more."""
        self._expected.clear()
        self.blocked.let_go()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            batch, lost = self._wanted(await self._gather())
            if batch:
                self._busy = True
                await self._fold_batch(batch)
                self._busy = False
            if lost:
                await self._send_back(lost)

    def close(self) -> None:
        """Give back threads and connections; transactions under way end first."""
        self._attempts.close()
        self.blocked.close()

    async def _gather(self) -> list[Portion]:
        """One round, and what else is there already, up to a batch: rounds are aligned, so they are not cut."""
        batch = [*await self._intake.get()]
        records, size = _records(batch), _bytes(batch)
        while records < self._batch_records and size < BATCH_BYTES and not self._intake.empty():
            portions = self._intake.get_nowait()
            records, size = records + _records(portions), size + _bytes(portions)
            batch.extend(portions)
        return batch

    def _wanted(self, batch: Sequence[Portion]) -> tuple[list[Portion], dict[TopicPartition, int]]:
        """What to fold of it; and where the reader was sent back to in vain."""
        wanted, lost, not_read, late = [], {}, self.not_read(), monotonic() - LOST_SECONDS
        for portion in batch:
            partition = portion.topic, portion.partition
            expected = self._expected.get(partition)
            if partition in not_read:
                metrics.PORTIONS_DROPPED.inc()
            elif expected and portion.start > expected.offset:
                metrics.PORTIONS_DROPPED.inc()
                if expected.since < late:
                    lost[partition] = expected.offset
            else:
                self._expected.pop(partition, None)
                wanted.append(portion)
        return wanted, lost

    async def _send_back(self, starts: Mapping[TopicPartition, int]) -> None:
        metrics.SEEKS.inc(len(starts))
        self.expect(starts)
        await self._seek(starts)

    async def _fold_batch(self, batch: list[Portion]) -> None:
        """Fold it whole; if it fails of itself, each partition apart: what fails then is blocked alone."""
        try:
            await self._done(batch, await self._attempts.fold(batch))
        except OwnFaultError as fault:
            partitions = _by_partition(batch)
            if len(partitions) == 1:
                await self.blocked.add(batch, fault)
                return
            log.warning("batch_divided", extra={"error": str(fault), "partitions": len(partitions)})
            for portions in partitions:
                await self._fold_batch(portions)

    async def _done(self, batch: Sequence[Portion], folded: Folded) -> None:
        """Send the reader back where there was a gap."""
        for portion in batch:
            if (portion.topic, portion.partition) not in folded.seeks:
                self.folded_to[portion.topic, portion.partition] = portion.end
        if folded.seeks:
            log.warning("gap", extra={"seeks": folded.seeks})
            await self._send_back(folded.seeks)

    async def _freed(self, partition: TopicPartition, end: int) -> None:
        """A blocked partition is folded up to `end`: read on from there, whatever was read of it meanwhile."""
        self.folded_to[partition] = end
        await self._send_back({partition: end})


def _records(portions: Sequence[Portion]) -> int:
    return sum(len(portion.records) for portion in portions)


def _bytes(portions: Sequence[Portion]) -> int:
    return sum(portion.size for portion in portions)


def _by_partition(portions: Sequence[Portion]) -> list[list[Portion]]:
    found: dict[TopicPartition, list[Portion]] = defaultdict(list)
    for portion in portions:
        found[portion.topic, portion.partition].append(portion)
    return list(found.values())
