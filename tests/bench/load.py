"""A seeded load, and what a right fold of it must count.

Cases over five days, a review for 85 % of them, 2 % of those bad; 1 % orphans, 1 % sent twice; 2 % of the cases come an
hour late and 1 % two days late, after their reviews. The same number and seed give the same bytes.
"""

import heapq
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from confluent_kafka import Message, Producer

from pipeline.edge import Edge
from pipeline.settings import Kafka
from schemas.topics import Stream
from tests.bench.figures import Wrong
from tests.harness import signature

BEGINNING = datetime(2025, 3, 3, tzinfo=UTC).timestamp()
SPAN = timedelta(days=5).total_seconds()
HOUR, TWO_DAYS = 3_600.0, 172_800.0
PER_CASE = 1.87
"""Records that a case brings: itself, 0.85 reviews, 0.02 repeats."""
_REASONS = {1: '"115"', 2: '"213"', 3: '"309"', 4: '"413"', 5: '"510","517"'}
_ITEM = "城镇居民基本医疗保险参保登记"
_COMMENT = "窗口人员业务不熟练，来回跑了三趟"


class Sent(NamedTuple):
    """A record, and where it goes."""

    stream: Stream
    key: bytes
    value: bytes


@dataclass
class Must:
    """What the ledger holds after a right fold: distinct records, and what became of them."""

    cases: int = 0
    reviews: int = 0
    duplicates: int = 0
    orphans: int = 0
    bad: int = 0
    matched_services: int = 0
    matched_late: int = 0


class Load:
    """About `events` records, in the order of their times. `must` is whole when the iteration is at its end."""

    def __init__(self, events: int, seed: int = 1) -> None:
        self.must = Must()
        self._cases = max(round(events / PER_CASE), 1)
        self._seed = seed
        self._random = random.Random(seed)
        self._pending: list[tuple[float, int, Sent]] = []
        departments = [f"11610326{n:08d}0A" for n in range(31)]
        self._items = [f"{department}{n:013d}" for department in departments for n in range(58)]

    def __iter__(self) -> Iterator[Sent]:
        for n in range(self._cases):
            at = BEGINNING + n * SPAN / self._cases
            while self._pending and self._pending[0][0] <= at:
                yield heapq.heappop(self._pending)[2]
            self._case(n, at)
        while self._pending:
            yield heapq.heappop(self._pending)[2]

    def _case(self, n: int, at: float) -> None:
        chance = self._random.random()
        late = TWO_DAYS if chance < 0.01 else HOUR if chance < 0.03 else 0.0
        no = f"610326{self._seed:04d}{n:010d}"
        self.must.cases += 1
        self._push(at + late, n, Stream.CASE, no, self._case_body(no, at, at + late))
        if self._random.random() < 0.85:
            self._review(n, no, at, late=late)

    def _review(self, n: int, case_no: str, served: float, *, late: float) -> None:
        at = served + self._random.expovariate(1 / 1_200)
        orphan = self._random.random() < 0.01
        bad = self._random.random() < 0.02
        level = self._random.choice((1, 2) if bad else (5, 5, 5, 4, 3))
        key = f"X{case_no}" if orphan else case_no
        self.must.reviews += 1
        self.must.bad += bad
        self.must.orphans += orphan
        self.must.matched_services += not orphan
        self.must.matched_late += not orphan and late == TWO_DAYS
        self._push(at, n, Stream.REVIEW, key, self._review_body(key, level, at))

    def _push(self, at: float, n: int, stream: Stream, key: str, body: str) -> None:
        record = Sent(stream, key.encode(), body.encode())
        heapq.heappush(self._pending, (at, n, record))
        if self._random.random() < 0.01:
            self.must.duplicates += 1
            heapq.heappush(self._pending, (at + 5, n, record))

    def _event_id(self) -> str:
        return f"{self._random.getrandbits(128):032x}"

    def _case_body(self, no: str, served: float, received: float) -> str:
        item = self._random.choice(self._items)
        return (
            f'{{"event_id":"{self._event_id()}","case_no":"{no}","service_no":1,"status":"completed","item_code":"{item}",'
            f'"item_name":"{_ITEM}","dept_code":"{item[:18]}","area_code":"610326000000","hall_code":"6103260001",'
            f'"window_code":"W{self._random.randrange(60):02d}","staff_id":"S{self._random.randrange(400):04d}",'
            f'"handling_mode":"{"online" if self._random.random() < 0.6 else "offline"}","served_at":"{_time(served)}",'
            f'"accepted_at":"{_time(served - 600)}","received_at":"{_time(received)}","source":"unified-platform"}}'
        )

    def _review_body(self, no: str, level: int, at: float) -> str:
        channel = self._random.choice(("terminal", "qr", "app", "mini_program"))
        return (
            f'{{"event_id":"{self._event_id()}","case_no":"{no}","service_no":1,"review_no":1,"satisfaction":{level},'
            f'"reason_codes":[{_REASONS[level]}],"comment":"{_COMMENT if level <= 2 else ""}","channel":"{channel}",'
            f'"submitted_at":"{_time(at)}","received_at":"{_time(at)}","device_id":"D{self._random.randrange(120):03d}"}}'
        )


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


BATCH_BYTES = 16_384
"""As Java's producer does by default. Larger ones load faster, but all records of a batch get one append time, and a backlog
that came in over days has finer ones."""


def producer(kafka: Kafka, linger_ms: int = 5) -> Producer:
    """A fast idempotent producer that partitions as Java and kafka-python do. Does not block."""
    return Producer(
        {
            "bootstrap.servers": kafka.bootstrap_servers,
            "enable.idempotence": True,
            "partitioner": "murmur2_random",
            "compression.type": "lz4",
            "linger.ms": linger_ms,
            "log_level": 3,  # a broker that has just started is told again, without a word
            "batch.size": BATCH_BYTES,
            "queue.buffering.max.messages": 1_000_000,
        }
    )


def send(kafka: Kafka, records: Iterable[Sent], edge: Edge) -> int:
    """Send them all, signed as our producers do; returns how many. Blocks until each is acknowledged; raises Wrong if one is not."""
    out, refused, sent = producer(kafka), [], 0

    def note(error: object, _: Message) -> None:
        if error is not None:
            refused.append(str(error))

    for record in records:
        hand_over(out, kafka, record, edge, note)
        sent += 1
    if left := out.flush(120) or len(refused):
        raise Wrong(f"Kafka did not take {left} of {sent} records: {refused[:1]}")
    return sent


def hand_over(out: Producer, kafka: Kafka, record: Sent, edge: Edge, note: object = None) -> None:
    """Give a record to the producer, signed if it says when it was received; waits while its buffer is full."""
    topic = kafka.topic(record.stream)
    headers = signature(edge, topic, record.value)
    while True:
        try:
            out.produce(topic, record.value, record.key, headers=headers, on_delivery=note)
        except BufferError:
            out.poll(0.1)
            continue
        out.poll(0)
        return
