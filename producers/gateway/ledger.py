"""What people ask of the ledger through the gateway: answered by threads of its own, and nobody waits for long.

A database that hangs holds these threads and no others: whoever submits a review never waits for it.
"""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from pipeline.ledger.engine import engine
from pipeline.settings import Database

AT_ONCE = 4
MOST_WAITING = 100
QUERY_LIMIT = "1s"
"""Enforced by the server, while it runs."""
SECONDS = 1.5
"""Until whoever asks is told that the ledger is away, also when the server is stopped and enforces nothing."""

log = logging.getLogger(__name__)

T = TypeVar("T")
Asked = tuple["Future[Any]", Callable[[Connection], Any]]


class LedgerAway(Exception):
    """The database did not answer in time."""


class Ledger:
    """Read-only. Connects at the first question. NotConfiguredError if no database is set."""

    def __init__(self, database: Database) -> None:
        self._engine = engine(
            database,
            "gateway",
            pool_size=AT_ONCE,
            default_transaction_read_only="on",
            statement_timeout=QUERY_LIMIT,
        )
        self._asked: SimpleQueue[Asked | None] = SimpleQueue()
        self._threads: list[Thread] = []

    async def ask(self, question: Callable[[Connection], T]) -> T:
        """The answer to this question, within SECONDS. Raises LedgerAway."""
        future: Future[T] = Future()
        try:
            self._put(future, question)
            return await asyncio.wait_for(asyncio.wrap_future(future), SECONDS)
        except (TimeoutError, SQLAlchemyError) as error:
            log.warning("away", extra={"task": "ledger", "error": type(error).__name__})
            raise LedgerAway from None

    def stop(self) -> None:
        """Answer nothing more. Does not wait for a database that hangs."""
        for _ in self._threads:
            self._asked.put(None)
        self._engine.dispose()

    def _put(self, future: "Future[Any]", question: Callable[[Connection], Any]) -> None:
        if self._asked.qsize() >= MOST_WAITING:
            raise TimeoutError
        self._asked.put((future, question))
        if len(self._threads) < AT_ONCE:
            # a daemon: a process whose database hangs must be able to end
            self._threads.append(Thread(target=self._run, name="ledger", daemon=True))
            self._threads[-1].start()

    def _run(self) -> None:
        while asked := self._asked.get():
            future, question = asked
            if future.set_running_or_notify_cancel():  # else whoever asked has gone
                self._answer(future, question)

    def _answer(self, future: "Future[Any]", question: Callable[[Connection], Any]) -> None:
        try:
            with self._engine.connect() as connection:
                future.set_result(question(connection))
        except Exception as error:  # noqa: BLE001  it is raised where the answer is awaited
            future.set_exception(error)
