"""Group commit: one thread takes everything that waits, writes it in one transaction, and only then tells those who wait."""

import logging
import sqlite3
import threading
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue

from pipeline import metrics
from producers.spool.errors import SpoolBroken, SpoolError, SpoolFull
from producers.spool.judging import Answer, Request, Verdict
from producers.spool.writing import Call, Writing, size

log = logging.getLogger(__name__)

GROUP_TASKS = 1_000
NO_ROOM = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE})
"""What SQLite says when the disk is full."""
DISK_FULL = "the spool's disk is full"
Task = Request | Call


class Committer:
    """The thread. `now` gives milliseconds since 1970; `written` is called after each commit, before anybody is told of it."""

    def __init__(
        self, writing: Writing, group_bytes: int, now: Callable[[], int], written: Callable[[Verdict], None]
    ) -> None:
        self._writing, self._group_bytes, self._now, self._written = writing, group_bytes, now, written
        self._queue: SimpleQueue[Task | None] = SimpleQueue()
        self._gate = threading.Lock()
        self._closed, self._failed = False, ""
        self._thread = threading.Thread(target=self._run, name="spool-committer", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    @property
    def failed(self) -> str:
        """Why it takes nothing any more, if its disk has failed."""
        return self._failed

    def submit(self, task: Task) -> None:
        """Put a task in the queue; its future tells how it ended, and is not to be cancelled. Does not block."""
        with self._gate:
            if not self._closed:
                self._queue.put(task)
                return
        task.future.set_exception(SpoolBroken("the spool is closed"))

    def close(self) -> None:
        """Do what is in the queue, then end. Blocks."""
        with self._gate:
            self._closed = True
            self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        for group in iter(self._group, []):
            self._commit(group)

    def _group(self) -> list[Task]:
        """What waits, at least one task; empty at the end. Blocks."""
        group: list[Task] = []
        task = self._queue.get()
        bytes_ = 0
        while task is not None:
            group.append(task)
            bytes_ += _bytes(task)
            if len(group) >= GROUP_TASKS or bytes_ >= self._group_bytes:
                return group
            try:
                task = self._queue.get_nowait()
            except Empty:
                return group
        if group:
            self._queue.put(None)  # the end comes when these are done
        return group

    def _commit(self, group: Sequence[Task]) -> None:
        """1. Write. 2. Say that it is written. 3. Answer. What fails in 1 was not written; what fails in 2 is not answered."""
        requests = [task for task in group if isinstance(task, Request)]
        calls = [task for task in group if isinstance(task, Call)]
        try:
            self._refuse_if_failed()
            verdict, results = self._writing.write(requests, calls, self._now())
            self._written(verdict)
        except Exception as error:  # noqa: BLE001  whoever waits must be answered, whatever it was
            self._fail(requests, calls, error)
            return
        for request, answers in zip(requests, verdict.answers, strict=True):
            _answer(request, answers)
        for call, result in zip(calls, results, strict=True):
            call.future.set_result(result)

    def _refuse_if_failed(self) -> None:
        if self._failed:
            raise SpoolBroken(self._failed)

    def _fail(self, requests: Sequence[Request], calls: Sequence[Call], error: Exception) -> None:
        """A full disk refuses the appends, and the calls, which may make room, are tried alone. Anything else is for good."""
        if getattr(error, "sqlite_errorcode", None) not in NO_ROOM:
            self._give_up(error)
            _refuse([*requests, *calls], SpoolBroken(self._failed))
            return
        metrics.SPOOL_TURNED_AWAY.inc(sum(len(request.rows) for request in requests))
        _refuse(requests, SpoolFull(DISK_FULL))
        if requests and calls:
            self._commit(calls)
        else:
            _refuse(calls, SpoolFull(DISK_FULL))

    def _give_up(self, error: Exception) -> None:
        """After a failed write nobody knows what the disk holds: only opening the spool anew tells."""
        if not self._failed:
            name = getattr(error, "sqlite_errorname", type(error).__name__)
            log.error("spool_failed", exc_info=error)
            self._failed = f"the spool's disk failed ({name}): see the log, then start anew"


def _bytes(task: Task) -> int:
    return sum(size(row) for row in task.rows) if isinstance(task, Request) else 0


def _answer(request: Request, answers: list[Answer] | SpoolError) -> None:
    answer = answers[0] if request.alone and isinstance(answers, list) else answers
    if isinstance(answer, SpoolError):
        request.future.set_exception(answer)
    else:
        request.future.set_result(answer)


def _refuse(tasks: Sequence[Task], error: SpoolError) -> None:
    for task in tasks:
        task.future.set_exception(error)
