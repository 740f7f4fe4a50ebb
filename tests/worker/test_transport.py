"""Polls and seeks: a round that was polled is handed on, whatever Faust thinks of its offset and whenever somebody seeks."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.structs import TopicPartition
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from pipeline.ledger.portion import Record
from pipeline.worker.alignment import Alignment
from pipeline.worker.transport import Ranges, RoundRecord, Thread
from schemas.topics import Stream

AT = TP("case", 0)


class Log:
    """A partition of records without end. `polled` is set while a poll waits, and `go` lets it end."""

    def __init__(self) -> None:
        self.state = SimpleNamespace(_position=100, highwater=1_000, lso=1_000)
        self.polled, self.go = asyncio.Event(), asyncio.Event()

    @property
    def consumer(self) -> Any:
        assignment = SimpleNamespace(tps={TopicPartition(*AT)}, state_value=lambda _: self.state)
        return SimpleNamespace(
            _subscription=SimpleNamespace(subscription=SimpleNamespace(assignment=assignment))
        )

    async def poll(self, *_: Any, **__: Any) -> dict[TP, list[Record]]:
        self.polled.set()
        await self.go.wait()
        first = self.state._position
        self.state._position += 2
        return {AT: [Record(first + n, 0, None, (), b"{}") for n in range(2)]}

    async def seek(self, _: Any, partitions: dict[TP, int]) -> None:
        self.state._position = partitions[AT]


def thread(log: Log, monkeypatch: pytest.MonkeyPatch) -> Thread:
    """A thread that polls this log."""
    made = Thread.__new__(Thread)
    made._ranges, made._alignment, made._turn = Ranges(), Alignment(), asyncio.Lock()
    made.app = SimpleNamespace(blocked_partitions=set, streams_by_topic={"case": Stream.CASE})
    monkeypatch.setattr(driver.AIOKafkaConsumerThread, "_fetch_records", log.poll)
    monkeypatch.setattr(driver.AIOKafkaConsumerThread, "_seek_wait", log.seek)
    return made


def only(rounds: dict[TP, list[RoundRecord]]) -> RoundRecord:
    ((one,),) = rounds.values()
    return one


async def _seek_in_the_middle(monkeypatch: pytest.MonkeyPatch) -> None:
    log = Log()
    reader = thread(log, monkeypatch)
    poll = asyncio.create_task(reader._fetch_records(log.consumer, {AT}))
    await log.polled.wait()
    seek = asyncio.create_task(reader._seek_wait(log.consumer, {AT: 50}))
    await asyncio.sleep(0)
    log.go.set()
    await seek
    before, after = only(await poll), only(await reader._fetch_records(log.consumer, {AT}))
    assert [(one.start, one.end, len(one.records)) for one in before.value] == [(100, 102, 2)]
    assert [(one.start, one.end, len(one.records)) for one in after.value] == [(50, 52, 2)]
    assert after.offset >= before.offset, "Faust drops what lies before the last one"


def test_a_seek_in_the_middle_of_a_poll_loses_none_of_its_records(monkeypatch: pytest.MonkeyPatch) -> None:
    asyncio.run(_seek_in_the_middle(monkeypatch))
