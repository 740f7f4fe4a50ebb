"""Latency: from a bad review's append to the log until its ticket can be seen by another connection, live.

The log's append time and the look at the ledger are read from one machine's clock; both together err by less than 5 ms,
and always to the longer side.
"""

import random
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import psycopg2
from confluent_kafka import Message

from schemas.events import ReviewEvent
from schemas.identifiers import derived_id, uuid7
from schemas.reading import read
from schemas.topics import Stream
from tests.bench.background import Background
from tests.bench.figures import Figure, Wrong, percentile
from tests.bench.following import check_whole
from tests.bench.load import Sent, hand_over, producer
from tests.bench.stage import Stage
from tests.harness import System, review

LEVELS = (0, 100, 1_000, 5_000)
"""Events a second in the background."""
PROBES = 200
APART_SECONDS = 0.06
"""Between two probes, on average; the distances are random, so that they never run in step with the worker."""
LOOK_SECONDS = 0.002
LIMIT_SECONDS = 30.0


class Probes:
    """Bad reviews on their way. `latencies` in ms, of those whose ticket has been seen."""

    def __init__(self, system: System) -> None:
        self._kafka, self._edge = system.settings.kafka, system.edge
        self._out = producer(self._kafka, linger_ms=0)
        self._connection = psycopg2.connect(system.settings.database.url.get_secret_value())
        self._connection.autocommit = True
        self._appended: dict[UUID, float] = {}
        self._seen: dict[UUID, float] = {}
        self.waiting: set[UUID] = set()

    @property
    def latencies(self) -> list[float]:
        """Of each probe: ticket seen − record appended."""
        return [(seen - self._appended[ticket]) * 1_000 for ticket, seen in self._seen.items()]

    def send(self) -> None:
        """Send a bad review of a case that nobody has seen yet. Does not block."""
        body = review(str(uuid7()), 1)
        value = msgspec.json.encode(body)
        got = read(ReviewEvent, value, datetime.now(UTC))
        ticket = derived_id("ticket", body["case_no"], 1, 1, got.event_id, got.digest)
        self.waiting.add(ticket)

        def appended(error: Any, message: Message) -> None:
            if error is not None:
                raise Wrong(f"a probe was not taken: {error}")
            self._appended[ticket] = message.timestamp()[1] / 1_000

        record = Sent(Stream.REVIEW, body["case_no"].encode(), value)
        hand_over(self._out, self._kafka, record, self._edge, appended)

    def look(self) -> None:
        """Which tickets are there by now."""
        self._out.poll(0)
        if not self.waiting:
            return
        with self._connection.cursor() as cursor:
            cursor.execute(
                "select ticket_id from ledger.ticket where ticket_id = any(%s::uuid[])",
                [[str(ticket) for ticket in self.waiting]],
            )
            seen, at = {UUID(row[0]) for row in cursor.fetchall()}, time.time()
        self._seen |= dict.fromkeys(seen, at)
        self.waiting -= seen

    def run(self, number: int, *, one_by_one: bool) -> list[float]:
        """Send so many, wait for all; returns their latencies in ms. Blocks; raises Wrong when one takes too long."""
        sent, due, last = 0, time.monotonic(), time.monotonic()
        while sent < number or self.waiting:
            if sent < number and time.monotonic() >= due and not (one_by_one and self.waiting):
                self.send()
                sent, last = sent + 1, time.monotonic()
                due = last + random.expovariate(1 / APART_SECONDS)
            self.look()
            if time.monotonic() - last > LIMIT_SECONDS:
                raise Wrong(f"{len(self.waiting)} tickets were not there after {LIMIT_SECONDS} s")
            time.sleep(LOOK_SECONDS)
        self._out.flush(10)
        return self.latencies

    def close(self) -> None:
        """Give back the connection."""
        self._connection.close()


def measure(stage: Stage) -> Iterator[Figure]:
    """One worker that has started already, idle and under load; then the ledger is verified."""
    prefix, levels = stage.prefix(), {}
    with stage.system(prefix) as system, system.worker():
        _probe(system, 1, one_by_one=True)
        for level in LEVELS:
            levels[level] = [_level(stage, system, level) for _ in stage.repetitions(1)]
        system.wait_until_caught_up()
        check_whole(system)
    for level, runs in levels.items():
        yield from _figures(level, runs)


def _level(stage: Stage, system: System, level: int) -> tuple[float, list[float]]:
    """Events a second that the background really sent, and the latencies of the probes."""
    stage.say(f"latency at {level:,} events/s in the background")
    probes = 40 if stage.quick else PROBES
    if not level:
        return 0.0, _probe(system, probes, one_by_one=True)
    with Background(system.settings, level) as background:
        return background.rate, _probe(system, probes, one_by_one=False)


def _probe(system: System, number: int, *, one_by_one: bool) -> list[float]:
    probes = Probes(system)
    try:
        return probes.run(number, one_by_one=one_by_one)
    finally:
        probes.close()


def _figures(level: int, runs: list[tuple[float, list[float]]]) -> Iterator[Figure]:
    latencies = [run[1] for run in runs]
    load = f"at {level:,}/s" if level else "idle"
    note = f"{len(latencies[0])} probes"
    for name, share in (("p50", 0.5), ("p99", 0.99), ("max", 1.0)):
        values = tuple(percentile(run, share) for run in latencies)
        yield Figure(
            f"latency {load}, {name}",
            "ms",
            values,
            note,
            details={"latencies": latencies, "background": [run[0] for run in runs]},
        )
