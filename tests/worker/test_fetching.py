"""What the fetcher makes of an answer: whole batches only, bounded polls, damaged batches asked for again."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.structs import TopicPartition

from pipeline.ledger.portion import Unreadable
from pipeline.worker import fetching
from pipeline.worker.fetching import REFETCHES, Batches, Records, Result
from schemas.events import Reason

TP = TopicPartition("t", 2)


def batch(*values: bytes) -> bytes:
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 1 << 30)
    for n, value in enumerate(values):
        builder.append(n, 0, None, value, [])
    return bytes(builder.build())


def read(data: bytes, offset: int = 0) -> Records:
    return Records(TP, Batches(data), None, offset, None, None, True, 1)


def values(found: Any) -> list[Any]:
    return [record.value for record in found]


def test_a_batch_that_was_cut_off_is_left_for_the_next_answer() -> None:
    one, two = batch(b"a", b"b"), batch(b"c")
    answer = Batches(one + two[:-1])
    assert answer.has_next()
    assert answer.next_batch() == one
    assert not answer.has_next()
    assert answer.size_in_bytes() == 0, "the fetcher would step over it"
    for rest in (b"", b"\0" * 5, one[:16], b"\xff" * 40):
        assert not Batches(rest).has_next()


def test_offsets_that_were_handed_on_are_passed_over() -> None:
    found = read(batch(b"a", b"b", b"c"), 1)
    assert values(found) == [b"b", b"c"]
    assert found.next_fetch_offset == 3


def test_a_damaged_batch_is_asked_for_again_and_told_in_the_end() -> None:
    damaged = bytearray(batch(b"a", b"b"))
    damaged[-1] ^= 1
    for _ in range(REFETCHES):
        found = read(bytes(damaged))
        assert values(found) == []
        assert found.next_fetch_offset == 0, "it is read from there again"
    found = read(bytes(damaged))
    (only,) = values(found)
    assert isinstance(only, Unreadable)
    assert (only.reason, only.records) == (Reason.UNREADABLE, 2)
    assert "checksum" in only.message
    assert found.next_fetch_offset == 2
    assert not Records.damaged


def test_of_an_old_format_nothing_stops_the_next_batch() -> None:
    old = bytearray(batch(b"a"))
    old[16] = 1
    first, second = values(read(bytes(old) + batch(b"b", b"c")))
    assert isinstance(first, Unreadable)
    assert second == b"c", "the first offset stands for the batch before"


class Assignment:
    """Stands where it is told."""

    active = True

    def __init__(self) -> None:
        self.position, self.paused = 0, False

    def state_value(self, _: Any) -> "Assignment":
        return self

    def consumed_to(self, position: int) -> None:
        self.position = position


@pytest.mark.parametrize(("most", "polls"), [(1, [1, 1, 1, 1]), (250, [3, 1]), (10**9, [4])])
def test_a_poll_is_bounded_in_bytes_and_brings_at_least_one(
    monkeypatch: pytest.MonkeyPatch, most: int, polls: list[int]
) -> None:
    monkeypatch.setattr(Result, "most_bytes", most)
    records = read(batch(*[b"v" * 80] * 4))
    result = Result(TP, assignment=cast(Any, Assignment()), partition_records=records, backoff=0)
    got = []
    while result.has_more():
        got.append(len(result.getall(1_000)))
    assert [n for n in got if n] == polls


def test_a_poll_is_bounded_in_records() -> None:
    result = Result(
        TP, assignment=cast(Any, Assignment()), partition_records=read(batch(b"a", b"b", b"c")), backoff=0
    )
    assert values(result.getall(2)) == [b"a", b"b"]
    assert values(result.getall(2)) == [b"c"]


def test_all_consumers_of_the_process_read_so(monkeypatch: pytest.MonkeyPatch) -> None:
    place = SimpleNamespace()
    monkeypatch.setattr(fetching, "fetcher", place)
    fetching.install()
    assert (place.MemoryRecords, place.PartitionRecords, place.FetchResult) == (Batches, Records, Result)
