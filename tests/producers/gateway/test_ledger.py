"""Questions to a ledger that hangs: who asks is told in time, the threads are few, and those who have gone are not asked for."""

import asyncio
import threading
import time
from collections.abc import Iterator

import pytest
from pydantic import SecretStr
from sqlalchemy import Connection

from pipeline.settings import Database
from producers.gateway import ledger as module
from producers.gateway.ledger import AT_ONCE, MOST_WAITING, Ledger, LedgerAway
from tests.wait import wait_for

NOWHERE = Database(url=SecretStr("postgresql://hcp:x@127.0.0.1:9/none"))


class Hung:
    """Connects at once, and answers when it is told to."""

    def __init__(self) -> None:
        self.goes_on = threading.Event()
        self.asked: list[int] = []

    def question(self, number: int) -> int:
        self.asked.append(number)
        self.goes_on.wait(20)
        return number


@pytest.fixture
def hung(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hung]:
    made = Hung()
    monkeypatch.setattr(module, "SECONDS", 0.2)
    yield made
    made.goes_on.set()


@pytest.fixture
def ledger(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    made = Ledger(NOWHERE)
    monkeypatch.setattr(made, "_engine", NoEngine())
    yield made
    made.stop()


class NoEngine:
    """An engine whose connection nobody uses."""

    def connect(self) -> "NoEngine":
        return self

    def dispose(self) -> None: ...

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


def asked_at_once(ledger: Ledger, hung: Hung, times: int) -> list[object]:
    def question(number: int) -> object:
        def ask(_: Connection) -> int:
            return hung.question(number)

        return ledger.ask(ask)

    async def all_of_them() -> list[object]:
        return await asyncio.gather(*map(question, range(times)), return_exceptions=True)  # type: ignore[call-overload,no-any-return]

    return asyncio.run(all_of_them())


def test_a_database_that_is_nowhere_is_away() -> None:
    ledger = Ledger(NOWHERE)
    with pytest.raises(LedgerAway):
        asyncio.run(ledger.ask(lambda connection: connection.closed))
    ledger.stop()


def test_who_asks_a_hung_one_is_told_in_time_and_the_threads_are_few(ledger: Ledger, hung: Hung) -> None:
    began, threads = time.monotonic(), threading.active_count()
    told = asked_at_once(ledger, hung, 20)
    assert time.monotonic() - began < 2
    assert all(isinstance(one, LedgerAway) for one in told)
    assert threading.active_count() <= threads + AT_ONCE
    assert sorted(hung.asked) == list(range(AT_ONCE))


def test_more_than_a_hundred_do_not_wait_at_all(ledger: Ledger, hung: Hung) -> None:
    """Whatever is asked while it hangs for an hour: what waits has a bound."""
    asked_at_once(ledger, hung, 3 * MOST_WAITING)
    assert ledger._asked.qsize() <= MOST_WAITING


def test_when_it_goes_on_it_is_asked_for_those_who_still_wait_alone(ledger: Ledger, hung: Hung) -> None:
    asked_at_once(ledger, hung, 20)
    hung.goes_on.set()
    wait_for(lambda: ledger._asked.qsize() == 0, 10, "the questions of those who have gone to be left out")
    assert asked_at_once(ledger, hung, 3) == [0, 1, 2]
    assert len(hung.asked) == AT_ONCE + 3
