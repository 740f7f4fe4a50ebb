"""The watch, when partitions go to another worker while it looks."""

import asyncio
from collections.abc import Collection, Mapping
from types import SimpleNamespace
from typing import Any, cast

from aiokafka.errors import IllegalStateError
from faust.types import TP

from pipeline.ledger.positions import TopicPartition
from pipeline.worker.folding import Folding
from pipeline.worker.watch import Watch


class Told(Watch):
    """Knows where the ledger stands without asking it."""

    async def starts(self, partitions: Collection[TopicPartition]) -> Mapping[TopicPartition, int]:
        return dict.fromkeys(partitions, 7)


class Reader:
    """Stands at `at`; or the partition was taken away since it was asked for its assignment."""

    def __init__(self, at: int | None) -> None:
        self.at = at

    def assignment(self) -> set[Any]:
        return {TP("case", 0), TP("case", 1)}

    async def position(self, partition: Any) -> int:
        if self.at is None:
            raise IllegalStateError(f"{partition} is not assigned")
        return self.at


def watch(*, idle: bool = True) -> Watch:
    folding = cast(Folding, SimpleNamespace(idle=idle, not_read=lambda: {("case", 1)}))
    return Told(cast(Any, None), cast(Any, None), "group", folding)


def check(reader: Reader) -> Mapping[TopicPartition, int]:
    return asyncio.run(watch().check(reader))


def test_a_reader_astray_is_sent_back() -> None:
    assert check(Reader(5)) == {("case", 0): 7}
    assert check(Reader(7)) == {}


def test_while_others_are_folded_a_reader_astray_is_one_that_has_not_moved() -> None:
    busy, reader = watch(idle=False), Reader(5)
    for at, want in ((5, {}), (6, {}), (6, {("case", 0): 7}), (7, {}), (6, {})):
        reader.at = at
        assert asyncio.run(busy.check(reader)) == want


def test_a_partition_that_is_blocked_is_not_astray() -> None:
    assert ("case", 1) not in check(Reader(5))


def test_a_partition_that_went_to_another_worker_is_no_error() -> None:
    assert check(Reader(None)) == {}
