"""What aiokafka's fetcher makes of an answer of the broker, replaced: batches that raise nothing, polls that are bounded in bytes.

Aiokafka unpacks and decodes before anybody can catch an error, so one record that it cannot take would stop its partition for
good. `install` puts these classes in the place of its own, which it looks up by name when it takes an answer in.
"""

import struct
from collections import Counter
from collections.abc import Iterator
from typing import Any, ClassVar

from aiokafka.consumer import fetcher
from aiokafka.record.default_records import DefaultRecordBatch
from aiokafka.record.legacy_records import LegacyRecordBatch
from aiokafka.structs import TopicPartition

from pipeline.ledger.portion import Record
from pipeline.worker.record_batches import HEADER, records, whole

ROUND_BYTES = 4 * 2**20
"""Of records that one poll hands on, all partitions together; about ten polls are on their way at a time."""
FETCH_BYTES = 1_100_000
"""Asked for of a partition: a little more than the largest batch that a broker takes by default."""
REFETCHES = 3
"""A batch whose checksum does not hold is asked for again so often: it may have been damaged on its way."""
_LENGTH = struct.Struct(">qi")
_MAGIC_AT = 16
_SMALLEST = 17


class Batches:
    """An answer's bytes, batch by batch. The last one may be cut off by the broker: it comes again, whole."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def has_next(self) -> bool:
        """Whether there is another whole batch."""
        return self._at < self._end()

    def next_batch(self) -> bytes:
        """Its bytes."""
        begin, self._at = self._at, self._end()
        return self._data[begin : self._at]

    def size_in_bytes(self) -> int:
        """0: with less than one whole batch nothing is wrong, the fetcher must not step over it."""
        return 0

    def _end(self) -> int:
        left = len(self._data) - self._at
        if left < _SMALLEST:
            return self._at
        size = _LENGTH.size + _LENGTH.unpack_from(self._data, self._at)[1]
        return self._at + size if _SMALLEST <= size <= left else self._at


class Records(fetcher.PartitionRecords):  # type: ignore[misc]  # aiokafka is seen as untyped
    """The records of one partition in an answer. `weight`: bytes of one, about, in the batch that is being read."""

    damaged: ClassVar[Counter[tuple[TopicPartition, int]]] = Counter()
    """How often a batch's checksum did not hold, by its place."""

    next_fetch_offset: int
    weight: int = 0

    def _unpack_records(self) -> Iterator[Record]:
        """As aiokafka's own: control batches and aborted ones are passed over, offsets that were handed on, too."""
        while self._records.has_next():
            batch = self._records.next_batch()
            if batch[_MAGIC_AT] < 2:
                yield from self._new(_legacy(batch))
                continue
            header = DefaultRecordBatch(batch)
            end = header.next_offset
            if not header.validate_crc():
                if self._again(header.base_offset):
                    return
                start = max(header.base_offset, self.next_fetch_offset)
                why = "its checksum does not hold"
                yield from self._new(iter([whole(batch, start, end, header.max_timestamp, why)]))
            elif not self._is_passed_over(header):
                self.weight = len(batch) // max(1, HEADER.unpack_from(batch)[-1])
                yield from self._new(records(batch))
            self.next_fetch_offset = max(self.next_fetch_offset, end)

    def _new(self, found: Iterator[Any]) -> Iterator[Any]:
        for record in found:
            if record.offset >= self.next_fetch_offset:
                self.next_fetch_offset = record.offset + getattr(record.value, "records", 1)
                yield record

    def _again(self, base_offset: int) -> bool:
        """Whether to ask for this batch once more: the position stays before it."""
        place = self._tp, base_offset
        self.damaged[place] += 1
        if self.damaged[place] <= REFETCHES:
            return True
        del self.damaged[place]
        return False

    def _is_passed_over(self, batch: Any) -> bool:
        """Whether no record of it exists: a marker of transactions, or aborted."""
        if batch.producer_id is not None:
            self._consume_aborted_up_to(batch.base_offset)
            if batch.is_control_batch and self._contains_abort_marker(batch):
                self._aborted_producers.discard(batch.producer_id)
        return bool(
            batch.is_control_batch
            or (batch.is_transactional and batch.producer_id in self._aborted_producers)
        )


def _legacy(batch: bytes) -> Iterator[Any]:
    """Of a format that brokers since Kafka 4 store no more."""
    offset = _LENGTH.unpack_from(batch)[0]
    try:
        yield from LegacyRecordBatch(batch, batch[_MAGIC_AT])
    except Exception as error:  # noqa: BLE001  it is told, and the next batch is read
        yield whole(batch, offset, offset + 1, 0, f"a batch of an old format: {type(error).__name__}")


class Result(fetcher.FetchResult):  # type: ignore[misc]  # aiokafka is seen as untyped
    """What is buffered of one partition."""

    _partition_records: Any
    most_bytes: ClassVar[int] = ROUND_BYTES
    """Of one poll; the thread that polls divides it among the partitions."""

    def getall(self, max_records: int | None = None) -> list[Any]:
        """The next records, in bounds of number and bytes, at least one if there is any."""
        if not self.check_assignment(self._topic_partition) or not self.has_more():
            return []
        source, found, size = self._partition_records, [], 0
        for record in source:
            found.append(record)
            size += source.weight
            if len(found) == max_records or size >= self.most_bytes:
                self._update_position()
                return found
        self._update_position()
        self._partition_records = None
        return found


def install() -> None:
    """From now on every consumer of this process reads so."""
    fetcher.MemoryRecords, fetcher.PartitionRecords, fetcher.FetchResult = Batches, Records, Result
