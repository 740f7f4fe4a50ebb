"""Crowds: what a record costs when 100,000 others lie under its key, against one with a key of its own."""

import gc
import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import count
from statistics import median
from typing import Any, NamedTuple, cast

import psutil
from psycopg2.extensions import connection as Connection

from pipeline.ledger import reroute
from pipeline.ledger.decode import decode
from pipeline.ledger.engine import transaction
from pipeline.ledger.fold import Folder
from pipeline.ledger.portion import Portion, Record
from pipeline.ledger.positions import reconcile
from pipeline.ledger.verify import verify
from pipeline.log import Watermark
from pipeline.rules.policy import Policy
from pipeline.sealing import Sealer
from schemas.topics import Stream
from tests.bench.figures import Figure, Wrong
from tests.bench.stage import Stage
from tests.harness import DEPT, System, case, review

RECORDS, QUICK_RECORDS = 100_000, 10_000
STAGES = 10
BATCH = 2_000
LIMIT = 1.5
LOCKED_SECONDS = 5.0
"""Half of the workers' `lock_timeout`: a record of this one service may wait so long for a portion of its tickets."""
Make = Callable[[str], dict[str, Any]]


class Cost(NamedTuple):
    """Seconds by the clock, and of the processors: this process's and that of its session in the database."""

    clock: float
    processor: float

    def plus(self, other: "Cost") -> "Cost":
        """Both."""
        return Cost(self.clock + other.clock, self.processor + other.processor)


class Hand:
    """Folds batches of its own making into a fresh ledger, one topic and partition a stream."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.folder = Folder(Policy(), Sealer(system.settings.seal))
        self.connection = cast(Connection, system.ledger.raw_connection().driver_connection)
        self.server = psutil.Process(self.connection.info.backend_pid)
        self.offsets = {stream: count(0, BATCH) for stream in (Stream.CASE, Stream.REVIEW)}
        topics = [system.settings.kafka.topic(stream) for stream in self.offsets]
        marks = [Watermark(topic, 0, "id", 0, 0) for topic in topics]
        with transaction(system.ledger) as cursor:
            reconcile(cursor, {(topic, 0) for topic in topics}, lambda: marks)

    def fold(self, stream: Stream, events: list[dict[str, Any]]) -> Cost:
        """What the fold of these takes, without reading them."""
        start, at = next(self.offsets[stream]), int(datetime.now(UTC).timestamp() * 1000)
        records = [
            Record(start + n, at, b"k", (), json.dumps(event).encode()) for n, event in enumerate(events)
        ]
        topic = self.system.settings.kafka.topic(stream)
        decoded = [decode(Portion(stream, topic, 0, start, start + BATCH, records), self.folder.sealer)]
        gc.disable()  # a worker's own settings collect once in many batches (pipeline.worker.app)
        began = self._now()
        folded = self.folder.fold(self.connection, decoded)
        took = Cost(*(now - then for now, then in zip(self._now(), began, strict=True)))
        gc.enable()
        if folded.records != len(events):
            raise Wrong(f"{folded.records} of {len(events)} records were folded")
        return took

    def _now(self) -> Cost:
        server = self.server.cpu_times()
        return Cost(time.perf_counter(), time.process_time() + server.user + server.system)


def measure(stage: Stage) -> Iterator[Figure]:
    """Batches under one key and batches of a key each, in turns, so that what disturbs one disturbs the other."""
    records = QUICK_RECORDS if stage.quick else RECORDS
    with stage.system(stage.prefix()) as system:
        hand = Hand(system)
        yield from _against(stage, hand, Stream.REVIEW, "bad reviews", lambda key: review(key, 1), records)
        yield from _reroute(stage, hand)
        yield from _against(stage, hand, Stream.CASE, "case records", _version, records)
        hand.connection.close()
        system.tell("update outbox set sent_at = now()")
        if found := verify(system.settings):
            raise Wrong("; ".join(map(str, found)))


def _version(case_no: str) -> dict[str, Any]:
    return case(case_no, item_name="城乡居民基本医疗保险参保登记", accepted_at="2026-11-01T00:00:00+08:00")


def _against(
    stage: Stage, hand: Hand, stream: Stream, what: str, make: Make, records: int
) -> Iterator[Figure]:
    numbers, costs = count(), []
    for n in range(STAGES):
        one = own = Cost(0, 0)
        for _ in range(records // STAGES // BATCH or 1):
            own = own.plus(hand.fold(stream, [make(f"{stream}-{next(numbers)}") for _ in range(BATCH)]))
            one = one.plus(hand.fold(stream, [make(f"{stream}-everybody") for _ in range(BATCH)]))
        costs.append((one, own))
        ratios = [a / b for a, b in zip(one, own, strict=True)]
        stage.say(
            f"crowd, {what}: {ratios[1]:.2f} × (clock {ratios[0]:.2f}) at {(n + 1) * records // STAGES:,}"
        )
    each = records // STAGES / 1e6
    for name, place in (("a key each", 1), ("one key", 0)):
        values = tuple(cost[place].processor / each for cost in costs)
        clock = median(cost[place].clock / each for cost in costs)
        yield Figure(f"crowd, {what}, {name}", "µs/record", values, f"processors; by the clock {clock:.0f}")
    note = f"processors, in {STAGES} stages from 0 to {records:,}"
    values = tuple(one.processor / own.processor for one, own in costs)
    yield Figure(f"crowd, {what}, one key ÷ a key each", "×", values, note, LIMIT)


def _reroute(stage: Stage, hand: Hand) -> Iterator[Figure]:
    """The case of all those bad reviews comes at last."""
    took = hand.fold(Stream.CASE, [case(f"{Stream.REVIEW}-everybody")])
    yield Figure("crowd, the case after them", "s", (took.clock,), "its own fold", LOCKED_SECONDS)
    portions = []
    while True:
        began = time.perf_counter()
        if not reroute.reroute(hand.system.ledger, hand.folder):
            break
        portions.append(time.perf_counter() - began)
    left = hand.system.one(
        "select count(*) from ticket where case_no = :case_no and dept_code <> :dept",
        case_no=f"{Stream.REVIEW}-everybody",
        dept=DEPT,
    )
    if left:
        raise Wrong(f"{left} tickets were not rerouted")
    note = f"{len(portions)} of {reroute.PORTION:,} tickets, {sum(portions):.1f} s; median {median(portions):.2f}"
    yield Figure(
        "crowd, the longest portion of rerouted tickets", "s", (max(portions),), note, LOCKED_SECONDS
    )
    stage.say(f"crowd, rerouted: {note}")
