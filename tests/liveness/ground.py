"""Where the promise is kept or broken: one stack, one worker that is started again when it ends, and its memory."""

import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread
from typing import Any

import psutil
from typer.testing import CliRunner, Result

from deploy.cli import app
from pipeline.settings import Settings, environment
from schemas.topics import Stream
from tests.faults.clock import Clock
from tests.faults.crew import Crew
from tests.harness import HALVES, System, case, decision, review
from tests.liveness.odd import Odd, plain
from tests.liveness.promise import SECONDS, Promise
from tests.liveness.wire import batch, produce
from tests.wait import wait_for

MEMORY = 400 * 1_000_000
"""Bytes that a worker may hold, whatever the broker takes."""
LOOK_SECONDS = 0.05
REASONS = {
    "not_json", "not_an_object", "too_large", "missing_field", "wrong_type", "out_of_range", "unknown_value",
    "id_mismatch", "time_out_of_range", "fold_error", "unreadable", "stepped_over", "not_signed",
}  # fmt: skip
"""Of dead letters, as the contract has them."""
Place = tuple[str, int, int]
"""Topic, partition, offset."""


class Scales(Thread):
    """The most memory that any worker of the crew has held since `reset`, in bytes."""

    def __init__(self, crew: Crew) -> None:
        super().__init__(name="scales", daemon=True)
        self._crew, self._over, self.peak = crew, Event(), 0

    def reset(self) -> None:
        self.peak = 0

    def run(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            for pid in self._crew.pids:
                with suppress(psutil.NoSuchProcess):
                    self.peak = max(self.peak, psutil.Process(pid).memory_info().rss)

    def close(self) -> None:
        self._over.set()
        self.join()


class Ground:
    """A fresh stack under one worker. `code` runs in the worker first (a broken twin). Close it at the end."""

    def __init__(self, settings: Settings, folder: Path, code: str = "") -> None:
        self.system = System(settings, folder)
        self.crew = Crew(self.system, Clock(folder), code)
        self.promise = Promise(self.system, settings.kafka.topic_prefix.strip("."))
        self.scales = Scales(self.crew)
        self.spoiled = False
        """Whether the promise was broken here: whatever comes next would only show the same again."""

    def start(self) -> None:
        """Start the worker; blocks until it folds. AssertionError if it does not."""
        self.crew.start(1)
        self.scales.start()
        self.keep(seconds=2 * SECONDS)

    def close(self) -> None:
        self.scales.close()
        self.crew.close()
        self.promise.close()
        self.system.close()

    def keep(self, but: tuple[Stream, int] | None = None, seconds: float = SECONDS) -> None:
        """Hold the promise now. AssertionError says which partition stands still, and what the worker says to it."""
        self._held(lambda: self.promise.keep(but, seconds))

    def keep_one(self, stream: Stream) -> None:
        """The same for this topic alone: its records are stored."""
        self._held(lambda: self.promise.keep_one(stream))

    def wait(self, condition: Callable[[], Any], what: str, seconds: float = SECONDS) -> None:
        """Wait for what the promise says besides tickets; a failure spoils the ground."""
        self._held(lambda: wait_for(condition, seconds, what))

    def send(self, stream: Stream, partition: int, odd: Odd) -> list[Place]:
        """An odd batch; returns where its records lie. Blocks until the log has it."""
        return self.send_records(stream, partition, odd.batch(ordinary(stream)), odd.many)

    def send_records(self, stream: Stream, partition: int, made: bytes, records: int) -> list[Place]:
        """A batch of so many records; returns where they lie. Blocks until the log has it."""
        kafka = self.system.settings.kafka
        first = produce(kafka.bootstrap_servers, kafka.topic(stream), partition, made)
        return [(kafka.topic(stream), partition, first + n) for n in range(records)]

    def pour(
        self, stream: Stream, partition: int, events: Iterator[dict[str, Any]], at_once: int = 500
    ) -> int:
        """Send all of these to one partition; returns how many. Blocks until the log has them."""
        waiting, sent = [], 0
        for event in events:
            waiting.append(plain(event))
            if len(waiting) == at_once:
                sent += len(self.send_records(stream, partition, batch(waiting, "lz4"), len(waiting)))
                waiting = []
        if waiting:
            sent += len(self.send_records(stream, partition, batch(waiting, "lz4"), len(waiting)))
        return sent

    def folded(self) -> int:
        """Records that have met a fate."""
        return sum(self.system.fates().values())

    def letters(self) -> dict[Place, str]:
        """Every dead letter's reason by its place."""
        rows = self.system.ask('select topic, partition, "offset", reason from dead_letter')
        return {(topic, partition, offset): reason for topic, partition, offset, reason in rows}

    def hcp(self, *words: str) -> Result:
        """The command line on this stack."""
        mine = environment(self.system.settings) | {"HCP_STACK__DATA_DIR": str(self.system.folder / "data")}
        return CliRunner().invoke(app, list(words), env=mine)

    def _held(self, act: Callable[[], Any]) -> None:
        ends, said = len(self.crew.ends), len(self.system.log_text())
        try:
            act()
        except AssertionError as broken:
            self.spoiled = True
            raise AssertionError(f"{broken}. {self._witness(ends, said)}") from None

    def _witness(self, ends: int, said: int) -> str:
        """What a person would look for: worker ends, the last error, partitions that stand still."""
        log = self.system.log_text()[said:]
        errors = re.findall(r"^[\w.]*(?:Error|Exception|Stop)\b.*$", log, re.MULTILINE)
        where = self.system.ask(
            "select topic, partition, next_offset from stream_position where retired_at is null order by 1, 2"
        )
        positions = ", ".join(f"{topic}/{partition}/{offset}" for topic, partition, offset in where)
        return (
            f"Meanwhile the worker ended {len(self.crew.ends) - ends} times; its last error: {errors[-1] if errors else 'none'};"
            f" the ledger stands at {positions}"
        )


def ordinary(stream: Stream) -> dict[str, Any]:
    """An event that nobody else has, of a case of its own; a decision is a foreign sender's."""
    number = f"ODD-{time.monotonic_ns()}"
    if stream is Stream.DECISION:
        return decision(number)
    return case(number) if stream is Stream.CASE else review(number, 5)


def spread(n: int, partitions: int) -> Sequence[tuple[Stream, int]]:
    """A partition of each of the halves' topics, other ones for the next `n`."""
    return [(stream, (n + 3 * half) % partitions) for half, stream in enumerate(HALVES)]
