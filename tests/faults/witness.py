"""The witness: reads the log itself, apart from the workers, so that the verdict knows what it really holds.

A producer whose acknowledgement was lost with the broker may have sent a record twice; the witness sees both.
"""

from typing import NamedTuple

from confluent_kafka import Consumer, TopicPartition

from pipeline import log
from pipeline.settings import Kafka
from schemas.topics import INPUTS, Stream
from tests.bench.figures import Wrong

POLL_SECONDS = 20.0
AT_ONCE = 5_000
KEPT_BYTES = 1 << 20
"""Of a value: what is larger is no event, and only a bomb is."""


class Place(NamedTuple):
    """Where a record lies."""

    stream: Stream
    partition: int
    offset: int


class Seen(NamedTuple):
    """What lies there, its beginning if it is very large, and since when (Unix milliseconds)."""

    value: bytes | None
    timestamp: int


class Witness:
    """`seen`: every record of the inputs up to the last `read`."""

    def __init__(self, kafka: Kafka) -> None:
        self.seen: dict[Place, Seen] = {}
        self._kafka = kafka
        self._streams = {kafka.topic(stream): stream for stream in INPUTS}
        self._read: dict[tuple[str, int], int] = {}

    def read(self) -> None:
        """Read on to the end of the log. Blocks; raises Wrong if the log says less than it has."""
        ends = {(w.topic, w.partition): w.end for w in log.watermarks(self._kafka)}
        self._read = dict.fromkeys(ends, 0) | self._read  # a topic may have more partitions by now
        consumer = Consumer(
            {
                "bootstrap.servers": self._kafka.bootstrap_servers,
                "group.id": "witness",
                "enable.auto.commit": False,
                "auto.offset.reset": "error",
                "log_level": 0,
            }
        )
        consumer.assign([TopicPartition(*at, offset) for at, offset in self._read.items()])
        try:
            while any(self._read[at] < end for at, end in ends.items()):
                self._take(consumer)
        finally:
            consumer.close()

    def _take(self, consumer: Consumer) -> None:
        records = consumer.consume(AT_ONCE, 0.5) or consumer.consume(1, POLL_SECONDS)
        if not records:
            raise Wrong(f"the log says nothing for {POLL_SECONDS:.0f} s")
        for record in records:
            if record.error():
                raise Wrong(f"the log cannot be read: {record.error()}")
            topic, partition, offset = record.topic(), record.partition(), record.offset()
            place = Place(self._streams[topic], partition, offset)
            value = record.value()
            self.seen[place] = Seen(value and value[:KEPT_BYTES], record.timestamp()[1])
            self._read[topic, partition] = max(self._read[topic, partition], offset + 1)
