"""Background load: so many events a second, in small steps, from a thread, as long as it is entered."""

import time
from itertools import count, islice
from threading import Event, Thread
from types import TracebackType
from typing import Self

from pipeline.edge import Edge
from pipeline.settings import Settings
from tests.bench.load import Load, Sent, hand_over, producer

TICK_SECONDS = 0.01
AHEAD = 20
"""Seconds of load that are made beforehand; then it begins again, and what is sent again is a duplicate."""
_seeds = count(100)


class Background:
    """Enter it to send `rate_wanted` events a second; `rate` tells what was really sent."""

    def __init__(self, settings: Settings, rate_wanted: int) -> None:
        self._kafka, self._edge, self._wanted = settings.kafka, Edge(settings.seal), rate_wanted
        events = rate_wanted * AHEAD
        self._records: list[Sent] = list(islice(Load(events, next(_seeds)), events))
        self._stop, self._thread = Event(), Thread(target=self._run, daemon=True)
        self._sent, self._began = 0, 0.0

    @property
    def rate(self) -> float:
        """Events a second so far."""
        return self._sent / (time.monotonic() - self._began)

    def __enter__(self) -> Self:
        self._began = time.monotonic()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        out = producer(self._kafka)
        while not self._stop.wait(TICK_SECONDS):
            due = int((time.monotonic() - self._began) * self._wanted)
            for n in range(self._sent, due):
                hand_over(out, self._kafka, self._records[n % len(self._records)], self._edge)
            self._sent = max(due, self._sent)
        out.flush(30)
