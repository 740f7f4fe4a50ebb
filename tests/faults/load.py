"""The known load: the bench's cases and reviews, and among them conflicts, poison and tombstones, from one seed.

Cases, reviews, orphans, duplicates, late cases: tests/bench/load.py. What is added here is counted in `must`, and a fifth of
the reviews goes to a partition of its own choice, as foreign producers' partitioners do.
"""

import json
import random
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count, islice
from threading import Event, Lock, Thread
from typing import Any

from confluent_kafka import Message, Producer

from pipeline.edge import Edge
from pipeline.settings import Settings
from schemas.topics import INPUTS, Stream
from tests.bench.figures import Wrong
from tests.bench.load import Load, Sent
from tests.faults.witness import Place
from tests.harness import case, review, signature
from tests.wait import wait_for

TICK_SECONDS = 0.02
CHUNK = 2_000
"""Records of one of the bench's loads; the next one has the next seed, so that cases do not repeat."""
POISON = (b"{", b"[]", b'"text"', b'{"event_id":"p","satisfaction":9}', b"\xff\xfe", b'{"case_no":5}')


@dataclass
class Must:
    """What this load adds to the bench's."""

    dead_letter: int = 0
    skipped: int = 0


class Mixture:
    """Records without end: (partition or None, stream, key, value)."""

    def __init__(self, seed: int, partitions: int) -> None:
        self._random, self._seed = random.Random(seed), seed
        self.partitions = partitions
        self.must = Must()

    def __iter__(self) -> Iterator[tuple[int | None, Stream, bytes, bytes | None]]:
        for n in count(self._seed * 1_000):
            for record in Load(CHUNK, n % 10_000):
                yield self._foreign(record), record.stream, record.key, record.value
                yield from self._more(record)

    def _foreign(self, record: Sent) -> int | None:
        is_foreign = record.stream is Stream.REVIEW and self._random.random() < 0.2
        return self._random.randrange(self.partitions) if is_foreign else None

    def crowd(self, records: int) -> Iterator[tuple[int | None, Stream, bytes, bytes | None]]:
        """So many bad reviews of one service, as from a tablet that has one number for everybody; then, in every second crowd, its case."""
        number = f"CROWD-{self._random.getrandbits(64):016x}"
        for _ in range(records):
            event = review(number, 1, event_id=f"{self._random.getrandbits(128):032x}")
            yield None, Stream.REVIEW, number.encode(), json.dumps(event).encode()
        if self._random.random() < 0.5:
            yield None, Stream.CASE, number.encode(), json.dumps(case(number)).encode()

    def _more(self, record: Sent) -> Iterator[tuple[int | None, Stream, bytes, bytes | None]]:
        chance = self._random.random()
        if chance < 0.02 and record.stream is Stream.REVIEW:
            yield None, record.stream, record.key, self._conflict(record.value)
        elif chance < 0.03:
            self.must.dead_letter += 1
            yield None, record.stream, record.key, self._random.choice(POISON)
        elif chance < 0.035:
            self.must.skipped += 1
            yield None, record.stream, record.key, None

    def _conflict(self, value: bytes) -> bytes:
        """Another citizen's word on the same service."""
        other = {"event_id": f"{self._random.getrandbits(128):032x}", "satisfaction": 1, "reason_codes": []}
        return json.dumps(json.loads(value) | other).encode()


class Feeder:
    """Sends `rate` events a second from a thread while it is entered, and bursts on demand.

    `acknowledged`: where the log has what (its hash); whole after `finish`.
    """

    def __init__(self, settings: Settings, seed: int, rate: int) -> None:
        kafka = settings.kafka
        self._edge = Edge(settings.seal)
        self.mixture = Mixture(seed, kafka.partitions)
        self.acknowledged: dict[Place, int] = {}
        self._kafka, self._rate = kafka, rate
        self._records = iter(self.mixture)
        self._first: dict[tuple[str, int], int] = {}
        self._out = Producer(
            {
                "bootstrap.servers": kafka.bootstrap_servers,
                "enable.idempotence": True,
                "partitioner": "murmur2_random",
                "linger.ms": 5,
                "topic.metadata.refresh.interval.ms": 1_000,  # partitions that are added get their share
                "log_level": 0,  # that the broker is away is what happens here
                "reconnect.backoff.max.ms": 500,
            }
        )
        self._lock, self._stop = Lock(), Event()
        self._sent = 0
        self._refused: list[str] = []
        self._thread = Thread(target=self._run, name="feeder", daemon=True)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def burst(self, records: int) -> None:
        """Hand over so many at once. Does not wait for the log."""
        self._hand_over_all(islice(self._records, records))

    def crowd(self, records: int) -> None:
        """Hand over so many records under one key at once. Does not wait for the log."""
        self._hand_over_all(self.mixture.crowd(records))

    def know(self, partitions: int) -> None:
        """Both topics have so many partitions from now on. Blocks until the producer sees them, too."""
        topics = [self._kafka.topic(stream) for stream in INPUTS]
        wait_for(
            lambda: all(len(self._out.list_topics(t, 10).topics[t].partitions) == partitions for t in topics),
            30,
            "the producer to see the partitions",
        )
        self.mixture.partitions = partitions

    def mark(self) -> Mapping[tuple[str, int], int]:
        """Where the first record that the log takes from now on lies, by topic and partition: it fills as they are acknowledged."""
        self._first = {}
        return self._first

    def finish(self) -> None:
        """Stop; blocks until all is acknowledged. Raises Wrong if the log refused anything."""
        self._stop.set()
        self._thread.join()
        left = self._out.flush(90)
        if left or self._refused or len(self.acknowledged) != self._sent:
            raise Wrong(f"Kafka did not take {left} of {self._sent} records: {self._refused[:1]}")

    def _hand_over_all(self, records: Iterable[tuple[int | None, Stream, bytes, bytes | None]]) -> None:
        with self._lock:
            for partition, stream, key, value in records:
                self._hand_over(partition, stream, key, value)
            self._out.poll(0)

    def _hand_over(self, partition: int | None, stream: Stream, key: bytes, value: bytes | None) -> None:
        def note(error: Any, message: Message) -> None:
            if error is not None:
                self._refused.append(str(error))
                return
            place = Place(stream, message.partition(), message.offset())
            self.acknowledged[place] = hash(value)
            self._first.setdefault((message.topic(), place.partition), place.offset)

        topic, where = self._kafka.topic(stream), {} if partition is None else {"partition": partition}
        headers = signature(self._edge, topic, value or b"")
        self._out.produce(topic, value, key, headers=headers, on_delivery=note, **where)
        self._sent += 1

    def _run(self) -> None:
        began, sent = time.monotonic(), 0
        while not self._stop.wait(TICK_SECONDS):
            due = int((time.monotonic() - began) * self._rate)
            self.burst(due - sent)
            sent = due
