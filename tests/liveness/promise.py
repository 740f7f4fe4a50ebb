"""The promise: an ordinary case and a bad review on every other partition are a ticket that is told, within 30 s."""

import json
import time
from collections.abc import Iterator, Sequence
from itertools import count
from typing import NamedTuple

from kafka import KafkaConsumer, TopicPartition

from pipeline import log
from schemas.topics import INPUTS, Stream
from tests.harness import DEPT, System, case, review
from tests.liveness.odd import plain
from tests.liveness.wire import batch, produce
from tests.wait import wait_for

SECONDS = 30.0
_TICKETS = "select case_no, ticket_id::text from ticket where case_no = any(:numbers) and routed_by = 'case' and dept_code = :dept"
_STORED = {
    Stream.CASE: "select case_no from service where case_no = any(:numbers) and not placeholder",
    Stream.REVIEW: "select case_no from review where case_no = any(:numbers)",
}


class Pair(NamedTuple):
    """A case and its review, and the partition of its topic that each was sent to."""

    case_no: str
    case: int
    review: int

    def __str__(self) -> str:
        return f"case.v1[{self.case}] with review.v1[{self.review}]"


class Promise:
    """Sends pairs to partitions of its choice, and reads what is told of their tickets. Close it at the end."""

    def __init__(self, system: System, name: str) -> None:
        self._system, self._name = system, name
        self._number = count()
        self._told: set[str] = set()
        self._consumer = KafkaConsumer(**log.client_options(system.settings.kafka), enable_auto_commit=False)
        topic = system.settings.kafka.topic(Stream.TICKET)
        here = [TopicPartition(topic, n) for n in range(system.settings.kafka.partitions)]
        self._consumer.assign(here)
        self._consumer.seek_to_beginning(*here)

    def partitions(self) -> int:
        """Of each input topic, as the log has them now. Blocks."""
        topics = self._system.settings.kafka.topic
        with log.admin(self._system.settings.kafka) as admin:
            described = admin.describe_topics([topics(stream) for stream in INPUTS])
        return max(len(topic["partitions"]) for topic in described)

    def send(self, but: tuple[Stream, int] | None = None) -> list[Pair]:
        """A pair for every partition; none of it goes to the partition `but`. Blocks until the log has them."""
        pairs = [self._pair(n, self.partitions(), but) for n in range(self.partitions())]
        for pair in pairs:
            self.hand_over(Stream.CASE, pair.case, [case(pair.case_no)])
            self.hand_over(Stream.REVIEW, pair.review, [review(pair.case_no, 1)])
        return pairs

    def hand_over(self, stream: Stream, partition: int, events: Sequence[dict[str, object]]) -> int:
        """Send these to this partition, in one batch; returns the offset of the first. Blocks."""
        kafka = self._system.settings.kafka
        made = batch([plain(event) for event in events])
        return produce(kafka.bootstrap_servers, kafka.topic(stream), partition, made)

    def await_told(self, pairs: Sequence[Pair], since: float, seconds: float = SECONDS) -> None:
        """Wait until each pair is a ticket at its case's department, and told. AssertionError names those that are not."""
        left = {pair.case_no: pair for pair in pairs}
        tickets: dict[str, str] = {}
        while True:
            tickets |= {str(no): str(ticket) for no, ticket in self._ask(_TICKETS, list(left), dept=DEPT)}
            self._listen()
            left = {no: pair for no, pair in left.items() if tickets.get(no) not in self._told}
            if not left:
                return
            if time.monotonic() - since > seconds:
                raise AssertionError("; ".join(self._missing(left, tickets, seconds)))

    def keep(self, but: tuple[Stream, int] | None = None, seconds: float = SECONDS) -> None:
        """Send, and wait from this moment on. AssertionError names the partitions that stand still."""
        since = time.monotonic()
        self.await_told(self.send(but), since, seconds)

    def keep_one(self, stream: Stream, seconds: float = SECONDS) -> None:
        """The same for one topic alone, while the other is gone: its records are stored. Counted from this moment."""
        numbers = [self._next(n) for n in range(self.partitions())]
        make = case if stream is Stream.CASE else review
        for n, number in enumerate(numbers):
            self.hand_over(stream, n, [make(number)])
        stored = _STORED[stream]
        wait_for(lambda: len(self._ask(stored, numbers)) == len(numbers), seconds, f"{stream} to be stored")

    def close(self) -> None:
        self._consumer.close()

    def _next(self, n: int) -> str:
        return f"{self._name}-{next(self._number)}-{n}"

    def _pair(self, n: int, partitions: int, but: tuple[Stream, int] | None) -> Pair:
        elsewhere = (n + 1) % partitions
        return Pair(
            self._next(n),
            elsewhere if but == (Stream.CASE, n) else n,
            elsewhere if but == (Stream.REVIEW, n) else n,
        )

    def _ask(self, question: str, numbers: Sequence[str], **more: str) -> list[tuple[object, ...]]:
        return self._system.ask(question, numbers=list(numbers), **more)

    def _listen(self) -> None:
        for records in self._consumer.poll(100).values():
            steps = [json.loads(record.value) for record in records if record.value]
            self._told |= {step["ticket_id"] for step in steps if step.get("step") == "opened"}

    @staticmethod
    def _missing(left: dict[str, Pair], tickets: dict[str, str], seconds: float) -> Iterator[str]:
        for no, pair in left.items():
            what = "its ticket is not told" if no in tickets else "no ticket at its department in the ledger"
            yield f"{pair}: {what} after {seconds:.0f} s"
