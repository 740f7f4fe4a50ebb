"""From portions to transactions, batch by batch, in a thread of its own: heartbeats go on meanwhile."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from time import monotonic

from sqlalchemy import Engine, PoolProxiedConnection

from pipeline import metrics
from pipeline.ledger.decode import Decoded, decode
from pipeline.ledger.failures import Failure, Stop, classify
from pipeline.ledger.fold import Folded, Folder
from pipeline.ledger.portion import Portion
from pipeline.ledger.positions import TopicPartition

log = logging.getLogger(__name__)

FIRST_PAUSE = 0.05
LONGEST_PAUSE = 5.0
INTAKE = 6
"""Rounds that wait: each is a part of a batch (see PARTS), so about a batch and a half."""
UNIQUE_TRIES = 20
"""A pair that meets at the service's row needs one more try; 20 in a row are no meeting, but a defect."""

Seek = Callable[[Mapping[TopicPartition, int]], Awaitable[None]]


class Folding:
    """Takes portions in, folds them in batches, sends the reader back when there is a gap.

    `seek` is awaited with the offsets to read again from. `blocked` holds the partitions of topics that were made anew:
    nothing of them is folded.
    """

    def __init__(self, folder: Folder, ledger: Engine, seek: Seek, batch_records: int) -> None:
        self._folder = folder
        self._ledger = ledger
        self._seek = seek
        self._batch_records = batch_records
        self._intake: asyncio.Queue[list[Portion]] = asyncio.Queue(maxsize=INTAKE)
        self._thread = ThreadPoolExecutor(1, "fold")
        self._connection: PoolProxiedConnection | None = None
        self._expected: dict[TopicPartition, int] = {}
        self._busy = False
        self.blocked: set[TopicPartition] = set()
        self.folded_to: dict[TopicPartition, int] = {}
        self.last_error = ""

    async def take_in(self, portions: list[Portion]) -> None:
        """Hand over the portions of a round; waits while there is enough to do."""
        await self._intake.put(portions)

    @property
    def idle(self) -> bool:
        """Whether nothing that was taken in still waits for its transaction."""
        return self._intake.empty() and not self._busy

    def expect(self, starts: Mapping[TopicPartition, int]) -> None:
        """After a seek: portions that lie behind these offsets are still on their way and are dropped."""
        self._expected.update(starts)

    def begin_anew(self) -> None:
        """After an assignment: nothing is on its way any more."""
        self._expected.clear()

    async def run(self) -> None:
        """Until cancelled. Raises Stop when only a person can help."""
        while True:
            batch = self._wanted(await self._gather())
            if batch:
                self._busy = True
                await self._fold_batch(batch)
                self._busy = False

    def close(self) -> None:
        """Give back threads and connection; a transaction under way ends first."""
        self._thread.shutdown(cancel_futures=True)
        self._drop_connection()

    async def _gather(self) -> list[Portion]:
        """One round, and what else is there already, up to a batch: rounds are aligned, so they are not cut."""
        batch = [*await self._intake.get()]
        while _records(batch) < self._batch_records and not self._intake.empty():
            batch.extend(self._intake.get_nowait())
        return batch

    def _wanted(self, batch: Sequence[Portion]) -> list[Portion]:
        wanted = []
        for portion in batch:
            partition = portion.topic, portion.partition
            expected = self._expected.get(partition)
            if partition in self.blocked or (expected is not None and portion.start > expected):
                metrics.PORTIONS_DROPPED.inc()
                continue
            self._expected.pop(partition, None)
            wanted.append(portion)
        return wanted

    async def _fold_batch(self, batch: list[Portion]) -> None:
        """1. Decode. 2. Fold, until it is in the ledger. 3. Send the reader back where there was a gap.

        The thread that decodes is the one that writes: what it made is still in its core's cache (0007).
        """
        loop = asyncio.get_running_loop()
        decoded = await loop.run_in_executor(self._thread, self._decode, batch)
        folded = await self._until_folded(decoded)
        for portion in batch:
            if (portion.topic, portion.partition) not in folded.seeks:
                self.folded_to[portion.topic, portion.partition] = portion.end
        if folded.seeks:
            log.warning("gap", extra={"seeks": folded.seeks})
            metrics.SEEKS.inc(len(folded.seeks))
            self.expect(folded.seeks)
            await self._seek(folded.seeks)

    async def _until_folded(self, decoded: list[Decoded]) -> Folded:
        """Try until the batch is in the ledger."""
        loop = asyncio.get_running_loop()
        pause, tries = FIRST_PAUSE, 0
        while True:
            began = monotonic()
            try:
                folded = await loop.run_in_executor(self._thread, self._fold, decoded)
            except Exception as error:  # noqa: BLE001  classified: everything but the expected stops the worker
                tries += 1
                self._judge(error, tries)
                metrics.RETRIES.labels(cause=_cause(error)).inc()
                longest = FIRST_PAUSE if classify(error) is Failure.RETRY_NOW else pause
                await asyncio.sleep(random.uniform(longest / 2, longest))
                pause = min(pause * 2, LONGEST_PAUSE)
                continue
            metrics.FOLD_SECONDS.observe(monotonic() - began)
            metrics.BATCH_RECORDS.observe(folded.records)
            metrics.LAST_FOLD.set_to_current_time()
            self.last_error = ""
            return folded

    def _judge(self, error: Exception, tries: int) -> None:
        """Remember the error; raise Stop if another try cannot help."""
        failure = classify(error)
        self.last_error = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        log.warning("fold_failed", extra={"cause": _cause(error), "tries": tries, "failure": failure.value})
        if failure is Failure.RETRY_LATER:
            return
        if failure is Failure.RETRY_NOW and tries < UNIQUE_TRIES:
            return
        raise Stop(
            f"the fold cannot go on: {self.last_error}. Nothing is lost: the position stands before this batch."
            " Is the schema up to date (`hcp migrate`)? Else report this with the worker's log."
        ) from error

    def _decode(self, batch: Sequence[Portion]) -> list[Decoded]:
        return [decode(portion, self._folder.sealer) for portion in batch]

    def _fold(self, decoded: list[Decoded]) -> Folded:
        if self._connection is None:
            self._connection = self._ledger.raw_connection()
        try:
            return self._folder.fold(self._connection.driver_connection, decoded)  # type: ignore[arg-type]  # psycopg2's
        except Exception as error:
            if classify(error) is Failure.RETRY_LATER:
                self._drop_connection()
            raise

    def _drop_connection(self) -> None:
        if self._connection is not None:
            self._connection.invalidate()
            self._connection = None


def _records(portions: Sequence[Portion]) -> int:
    return sum(len(portion.records) for portion in portions)


def _cause(error: BaseException) -> str:
    return getattr(error, "pgcode", None) or type(error).__name__
