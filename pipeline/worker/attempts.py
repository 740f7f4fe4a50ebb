"""Trying portions until they are in the ledger, or until it is clear that they themselves are the reason why not."""

import asyncio
import logging
import random
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from time import monotonic

import psycopg2
from psycopg2 import errorcodes
from sqlalchemy import Engine, PoolProxiedConnection, text
from sqlalchemy.exc import DBAPIError

from pipeline import metrics
from pipeline.ledger.decode import Decoded
from pipeline.ledger.failures import Failure, Stop, classify
from pipeline.ledger.fold import Folded, Folder
from pipeline.ledger.portion import Portion
from pipeline.ledger.positions import TopicPartition
from pipeline.month_keys import KeyRingError

log = logging.getLogger(__name__)

FIRST_PAUSE = 0.05
LONGEST_PAUSE = 5.0
UNIQUE_TRIES = 20
"""A pair that meets at the service's row needs one more try; 20 in a row are no meeting, but a defect."""
IN_VAIN = 2
"""So often in a row a batch may lose its session, or wait for a lock until its time-out, while the database answers others."""
_TOO_LONG = errorcodes.QUERY_CANCELED
_OF_THE_SERVER = frozenset({"25", "53"})
"""Classes of errors that no batch is to blame for: a standby, a full disk, too many connections."""
StepOver = Mapping[TopicPartition, Mapping[int, str]]
"""Partition → offset → why a person had that record left out."""


class OwnFaultError(Exception):
    """These portions cannot be folded though the database answers. Says which error, in one line."""


class Attempts:
    """Folds in a thread and over a connection of its own. `step_over` is read at every call."""

    def __init__(self, folder: Folder, ledger: Engine, name: str) -> None:
        self._folder, self._ledger = folder, ledger
        self._thread = ThreadPoolExecutor(1, name)
        self._connection: PoolProxiedConnection | None = None
        self.step_over: StepOver = {}
        self.last_error = ""

    async def fold(self, portions: Sequence[Portion]) -> Folded:
        """Decode and fold them, for as long as the database, or the folder of the months' keys, is away. Raises OwnFaultError.

        The thread that decodes is the one that writes: what it made is still in its core's cache (0007).
        """
        loop = asyncio.get_running_loop()
        decoded: list[Decoded] = []
        pause, tries, in_vain = FIRST_PAUSE, 0, 0
        while True:
            began = monotonic()
            try:
                decoded = decoded or await loop.run_in_executor(self._thread, self._decode, portions)
                folded = await loop.run_in_executor(self._thread, self._fold, decoded)
            except Exception as error:
                tries += 1
                self._note(error, tries)
                answers = await loop.run_in_executor(self._thread, self._database_answers)
                in_vain = in_vain + 1 if answers and _is_counted(error) else 0
                if answers and _is_own_fault(error, tries, in_vain):
                    raise OwnFaultError(self.last_error) from error
                longest = FIRST_PAUSE if classify(error) is Failure.RETRY_NOW else pause
                await asyncio.sleep(random.uniform(longest / 2, longest))
                pause = min(pause * 2, LONGEST_PAUSE)
                continue
            self._succeed(monotonic() - began, folded)
            return folded

    def close(self) -> None:
        """Give back the thread and the connection; a transaction under way ends first. Blocks."""
        self._thread.shutdown(cancel_futures=True)
        self._drop_connection()

    def _note(self, error: Exception, tries: int) -> None:
        self.last_error = _said(error)
        metrics.RETRIES.labels(cause=_cause(error)).inc()
        said = {"cause": _cause(error), "tries": tries, "failure": classify(error).value}
        log.warning("fold_failed", extra=said)

    def _succeed(self, seconds: float, folded: Folded) -> None:
        metrics.FOLD_SECONDS.observe(seconds)
        metrics.BATCH_RECORDS.observe(folded.records)
        metrics.LAST_FOLD.set_to_current_time()
        self.last_error = ""

    def _decode(self, portions: Sequence[Portion]) -> list[Decoded]:
        nothing: Mapping[int, str] = {}
        return [self._folder.decode(p, self.step_over.get((p.topic, p.partition), nothing)) for p in portions]

    def _fold(self, decoded: list[Decoded]) -> Folded:
        if self._connection is None:
            self._connection = self._ledger.raw_connection()
        try:
            return self._folder.fold(self._connection.driver_connection, decoded)  # type: ignore[arg-type]  # psycopg2's
        except Exception as error:
            if classify(error) is Failure.RETRY_LATER:
                self._drop_connection()
            raise

    def _database_answers(self) -> bool:
        try:
            with self._ledger.connect() as connection:
                connection.execute(text("select 1"))
        except DBAPIError:
            return False
        return True

    def _drop_connection(self) -> None:
        if self._connection is not None:
            self._connection.invalidate()
            self._connection = None


def _is_counted(error: Exception) -> bool:
    """Whether it is a session lost, or a lock not got, that may be this batch's doing."""
    if classify(error) is Failure.RETRY_LATER:
        return _cause(error)[:2] not in _OF_THE_SERVER
    return _cause(error) == errorcodes.LOCK_NOT_AVAILABLE


def _is_own_fault(error: Exception, tries: int, in_vain: int) -> bool:
    """Whether trying these portions once more as they are makes no sense. The database answers."""
    if isinstance(error, KeyRingError):
        return False
    cause = _cause(error)
    if classify(error) in {Failure.RECORDS, Failure.STOP} or cause == _TOO_LONG or in_vain >= IN_VAIN:
        return True
    return cause == errorcodes.UNIQUE_VIOLATION and tries >= UNIQUE_TRIES


def _said(error: Exception) -> str:
    """In one line. Only these errors are known to hold no values of records (the database's: `pipeline.ledger.engine`)."""
    said = str(error) if isinstance(error, psycopg2.Error | DBAPIError | Stop | KeyRingError) else ""
    return f"{type(error).__name__}: {said}".splitlines()[0]


def _cause(error: BaseException) -> str:
    return getattr(error, "pgcode", None) or type(error).__name__
