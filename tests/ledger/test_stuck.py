"""A worker that is stopped while it sends rows keeps its locks, and no time-out of the server's ends that."""

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from sqlalchemy import Connection, Engine, text

from pipeline.ledger.engine import engine
from pipeline.ledger.stuck import STUCK_SECONDS, end_stuck
from pipeline.settings import Settings
from pipeline.worker.app import Worker
from tests.wait import wait_for

pytestmark = pytest.mark.system
LOCK = "select pg_advisory_xact_lock(868, 1)"
WAITING = text("select count(*) from pg_stat_activity where wait_event_type = 'Lock'")
SENDING = text(
    "select count(*) from pg_stat_activity where wait_event = 'ClientRead' and query like 'copy outbox%'"
)


class Stopped:
    """A file of rows whose next one does not come before `wakes`."""

    def __init__(self) -> None:
        self.wakes = threading.Event()

    def read(self, _size: int) -> bytes:
        self.wakes.wait(60)
        return b""


def locked(pool: Engine) -> Any:
    connection: Any = pool.raw_connection().driver_connection
    with connection.cursor() as cursor:
        cursor.execute(LOCK)
    return connection


def send(connection: Any, rows: Stopped) -> None:
    with connection.cursor() as cursor:
        cursor.copy_expert("copy outbox (id) from stdin", rows)


@contextmanager
def stopped(
    ledger: Settings, name: str, looking: Connection
) -> Iterator[tuple["Future[None]", threading.Event]]:
    """A session that has the lock and was stopped in a COPY; its end, and what wakes it up."""
    # one second: it would be ended long before, if the time-out reached it
    pool, rows = engine(ledger.database, name, statement_timeout="1s"), Stopped()
    with ThreadPoolExecutor() as threads:
        sent = threads.submit(send, locked(pool), rows)
        wait_for(lambda: looking.scalar(SENDING), 20, "the COPY")
        try:
            yield sent, rows.wakes
        finally:
            rows.wakes.set()
            wait_for(sent.done, 20, "its end")
    pool.dispose()


@pytest.fixture
def looking(ledger: Settings) -> Iterator[Connection]:
    pool = engine(ledger.database, "worker")
    with pool.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        yield connection
    pool.dispose()


@contextmanager
def waiting(ledger: Settings, looking: Connection) -> Iterator["Future[Any]"]:
    """Another worker that wants the lock; when it has it."""
    pool = engine(ledger.database, "worker")
    with ThreadPoolExecutor() as threads:
        got = threads.submit(locked, pool)
        wait_for(lambda: looking.scalar(WAITING), 20, "one that waits")
        yield got
    pool.dispose()


def test_who_waits_for_a_stopped_worker_ends_its_session(ledger: Settings, looking: Connection) -> None:
    with stopped(ledger, "worker", looking) as (sent, wakes), waiting(ledger, looking) as got:
        assert end_stuck(looking, 0) == 1
        got.result(20).rollback()
        wakes.set()
        with pytest.raises(psycopg2.OperationalError, match="connection"):
            sent.result(20)


def test_one_that_was_stopped_just_now_is_left_to_wake(ledger: Settings, looking: Connection) -> None:
    with stopped(ledger, "worker", looking), waiting(ledger, looking) as got:
        assert end_stuck(looking, 600) == 0
        assert not got.done()
        assert end_stuck(looking, 0) == 1


def test_one_that_nobody_waits_for_is_left_alone(ledger: Settings, looking: Connection) -> None:
    with stopped(ledger, "worker", looking) as (sent, _):
        assert end_stuck(looking, 0) == 0
        assert not sent.done()


def test_a_session_of_another_program_is_left_alone(ledger: Settings, looking: Connection) -> None:
    with stopped(ledger, "import", looking) as (sent, _), waiting(ledger, looking):
        assert end_stuck(looking, 0) == 0
        assert not sent.done()
        looking.execute(
            text("select pg_cancel_backend(pid) from pg_stat_activity where wait_event_type = 'Lock'")
        )


def test_a_worker_does_so_with_its_heartbeat(ledger: Settings, looking: Connection, tmp_path: Path) -> None:
    kafka = ledger.kafka.model_copy(update={"bootstrap_servers": "127.0.0.1:1"})
    stack = ledger.stack.model_copy(update={"data_dir": tmp_path})
    worker = Worker(ledger.model_copy(update={"kafka": kafka, "stack": stack}))

    def beaten() -> bool:
        worker._beat()
        return got.done()

    with stopped(ledger, "worker", looking), waiting(ledger, looking) as got:
        wait_for(beaten, STUCK_SECONDS + 10, "the lock")
    worker.close()
