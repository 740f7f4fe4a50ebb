"""A portion that fails of itself: divided down to the record, its partition blocked alone, freed when it goes in."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any, cast

import psycopg2
import pytest
from psycopg2 import errorcodes
from sqlalchemy.exc import DBAPIError

from pipeline.ledger.decode import Decoded, decode
from pipeline.ledger.fold import Folded
from pipeline.ledger.portion import Portion, Record
from pipeline.ledger.positions import TopicPartition
from pipeline.month_keys import KeyRingError
from pipeline.seal_keys import Seal
from pipeline.sealing import Sealer
from pipeline.worker import attempts, blocked
from pipeline.worker.attempts import IN_VAIN, UNIQUE_TRIES, Attempts, OwnFaultError
from pipeline.worker.folding import Folding
from schemas.topics import Stream
from tests.conftest import MONTHS, SEAL_KEY
from tests.wait import wait_for

SECONDS = 10
BAD, GOOD = ("t", 1), ("t", 2)


def error(state: str, kind: type[psycopg2.Error] = psycopg2.Error) -> psycopg2.Error:
    """As the server raises it."""
    return cast(psycopg2.Error, type("Raised", (kind,), {"pgcode": state})("odd"))


class Ledger:
    """Connections to nothing; `answers`: whether the database does."""

    def __init__(self) -> None:
        self.answers = True
        self.sessions = 0

    def raw_connection(self) -> Any:
        self.sessions += 1
        return SimpleNamespace(driver_connection=self, invalidate=lambda: None, close=lambda: None)

    def cursor(self) -> Any:
        raise psycopg2.OperationalError

    def rollback(self) -> None:
        """Nothing was written."""

    def connect(self) -> Any:
        if not self.answers:
            raise DBAPIError("select 1", None, Exception())
        return nullcontext(SimpleNamespace(execute=lambda _: None))


class Fold:
    """Folds whatever holds none of the `bad` places; `tries` of single records that are in the way."""

    def __init__(self, *bad: tuple[TopicPartition, int]) -> None:
        self.sealer = Sealer(Seal(current="t", keys={"t": SEAL_KEY}, months=MONTHS))
        self.bad = set(bad)
        self.error: Exception = error("42P01")
        self.folded: dict[TopicPartition, list[int]] = {BAD: [], GOOD: []}
        self.alone = asyncio.Event()
        self.raised = 0

    def decode(self, portion: Portion, stepped_over: Mapping[int, str]) -> Decoded:
        return decode(portion, self.sealer, stepped_over)

    def fold(self, _: Any, decoded: Sequence[Decoded]) -> Folded:
        offsets = [
            ((d.portion.topic, d.portion.partition), r.offset) for d in decoded for r in d.portion.records
        ]
        if self.bad & set(offsets):
            self.raised += 1
            if len(offsets) == 1:
                self.alone.set()
            raise self.error
        for at, offset in offsets:
            self.folded[at].append(offset)
        return Folded({})


def portion(at: TopicPartition, *offsets: int) -> Portion:
    records = [Record(offset, 0, None, (), None) for offset in offsets]
    return Portion(Stream.CASE, *at, offsets[0], offsets[-1] + 1, records)


def folding(fold: Fold, ledger: Ledger, sought: asyncio.Queue[Mapping[TopicPartition, int]]) -> Folding:
    return Folding(cast(Any, fold), cast(Any, ledger), sought.put, 100, "worker-0")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocked, "AGAIN_SECONDS", 0.01)
    monkeypatch.setattr(attempts, "FIRST_PAUSE", 0.001)


def test_a_partition_that_fails_of_itself_is_blocked_alone_and_frees_itself() -> None:
    async def story() -> None:
        fold, sought = Fold((BAD, 5)), asyncio.Queue[Mapping[TopicPartition, int]]()
        one = folding(fold, Ledger(), sought)
        running = asyncio.create_task(one.run())
        await one.take_in([portion(BAD, 3, 4, 5, 6), portion(GOOD, 7, 8)])
        await asyncio.wait_for(fold.alone.wait(), SECONDS)
        assert fold.folded == {BAD: [3, 4], GOOD: [7, 8]}
        assert one.not_read() == {BAD}
        assert one.folded_to == {GOOD: 9}
        assert one.blocked.blockades[BAD].offset in {3, 5}, "the first, until the record is found"
        fold.bad.clear()
        assert await asyncio.wait_for(sought.get(), SECONDS) == {BAD: 7}
        assert fold.folded == {BAD: [3, 4, 5, 6], GOOD: [7, 8]}
        assert (one.not_read(), one.blocked.blockades) == (set(), {})
        running.cancel()
        one.close()

    asyncio.run(story())


def test_what_is_told_of_it_names_the_record_and_the_command() -> None:
    async def story() -> str:
        fold, sought = Fold((BAD, 5)), asyncio.Queue[Mapping[TopicPartition, int]]()
        one = folding(fold, Ledger(), sought)
        running = asyncio.create_task(one.run())
        await one.take_in([portion(BAD, 4, 5)])
        await asyncio.wait_for(fold.alone.wait(), SECONDS)
        fold.alone.clear()
        await asyncio.wait_for(fold.alone.wait(), SECONDS)
        said = str(one.blocked.blockades[BAD])
        one.begin_anew()
        assert one.not_read() == set(), "partitions were assigned anew"
        running.cancel()
        one.close()
        return said

    said = asyncio.run(story())
    assert said.startswith("t[1] stands still at offset 5: Raised: odd")
    assert "hcp positions skip t/1/5 --why" in said


class KeysAway(Fold):
    """Reads nothing until the months' keys are there."""

    def __init__(self) -> None:
        super().__init__()
        self.away, self.tried = True, 0
        self.twice = asyncio.Event()
        self.loop = asyncio.get_running_loop()

    def decode(self, portion: Portion, stepped_over: Mapping[int, str]) -> Decoded:
        if not self.away:
            return super().decode(portion, stepped_over)
        self.tried += 1
        if self.tried == 2:
            self.loop.call_soon_threadsafe(self.twice.set)
        raise KeyRingError("the folder is not mounted")


def test_while_the_months_keys_are_away_records_are_decoded_again_and_nothing_is_blocked() -> None:
    async def story() -> None:
        fold, sought = KeysAway(), asyncio.Queue[Mapping[TopicPartition, int]]()
        one = folding(fold, Ledger(), sought)
        running = asyncio.create_task(one.run())
        await one.take_in([portion(BAD, 5), portion(GOOD, 7)])
        await asyncio.wait_for(fold.twice.wait(), SECONDS)
        assert one.last_error == "KeyRingError: the folder is not mounted", "as `hcp status` has it"
        assert one.not_read() == set(), "no record is to be skipped for it"
        fold.away = False
        await asyncio.to_thread(wait_for, lambda: fold.folded == {BAD: [5], GOOD: [7]}, SECONDS)
        running.cancel()
        one.close()

    asyncio.run(story())


@pytest.mark.parametrize(
    ("raised", "times"),
    [
        (error("42P01"), 1),
        (ValueError("a defect"), 1),
        (error(errorcodes.QUERY_CANCELED, psycopg2.OperationalError), 1),
        (error(errorcodes.ADMIN_SHUTDOWN, psycopg2.OperationalError), IN_VAIN),
        (error(errorcodes.LOCK_NOT_AVAILABLE, psycopg2.OperationalError), IN_VAIN),
        (psycopg2.OperationalError("the connection is closed"), IN_VAIN),
        (error(errorcodes.UNIQUE_VIOLATION), UNIQUE_TRIES),
    ],
)
def test_how_often_it_is_tried_before_it_is_its_own_fault(raised: Exception, times: int) -> None:
    async def story() -> int:
        fold, tries = Fold((BAD, 0)), Attempts(cast(Any, None), cast(Any, Ledger()), "test")
        tries._folder, fold.error = cast(Any, fold), raised
        with pytest.raises(OwnFaultError):
            await asyncio.wait_for(tries.fold([portion(BAD, 0)]), SECONDS)
        tries.close()
        return fold.raised

    assert asyncio.run(story()) == times


@pytest.mark.parametrize(
    ("raised", "answers"),
    [
        (error(errorcodes.DISK_FULL, psycopg2.OperationalError), True),
        (error(errorcodes.READ_ONLY_SQL_TRANSACTION), True),
        (error(errorcodes.DEADLOCK_DETECTED, psycopg2.OperationalError), True),
        (psycopg2.OperationalError("the connection is closed"), False),
        (error("42P01"), False),
        (KeyRingError("the folder is not mounted"), True),
    ],
)
def test_what_is_nobodys_fault_is_tried_for_as_long_as_it_takes(raised: Exception, answers: bool) -> None:
    async def story() -> None:
        ledger = Ledger()
        fold, tries = Fold((BAD, 0)), Attempts(cast(Any, None), cast(Any, ledger), "test")
        tries._folder, fold.error, ledger.answers = cast(Any, fold), raised, answers
        under_way = asyncio.create_task(tries.fold([portion(BAD, 0)]))
        for _ in range(5):
            fold.alone.clear()
            await asyncio.wait_for(fold.alone.wait(), SECONDS)
        assert not under_way.done()
        fold.bad.clear()
        await asyncio.wait_for(under_way, SECONDS)
        assert tries.last_error == ""
        tries.close()

    asyncio.run(story())
