"""Stopwatches around the functions of a worker process: own time of each, without what is timed inside it."""

import atexit
import functools
import json
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

Times = tuple[float, float]
"""Seconds by the clock, and seconds of the thread's CPU."""


class Stopwatch:
    """Sums own times by name, over all threads."""

    def __init__(self) -> None:
        self.sums: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
        self.threads: dict[str, Times] = {}
        self._inner = threading.local()

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, timed."""

        @functools.wraps(function)
        def run(*args: Any, **kwargs: Any) -> Any:
            outer = getattr(self._inner, "times", None)
            self._inner.times = inner = [0.0, 0.0]
            began = _now()
            try:
                return function(*args, **kwargs)
            finally:
                took = [now - then for now, then in zip(_now(), began, strict=True)]
                for n in (0, 1):
                    self.sums[name][n] += took[n] - inner[n]
                    if outer is not None:
                        outer[n] += took[n]
                self._inner.times = outer

        return run

    def thread(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The same coroutine function; its thread's CPU from its first call to its last is noted under `name`."""

        @functools.wraps(function)
        async def run(*args: Any, **kwargs: Any) -> Any:
            self.threads.setdefault(name, _now())
            try:
                return await function(*args, **kwargs)
            finally:
                first = self.threads[name]
                self.sums[name] = [now - then for now, then in zip(_now(), first, strict=True)]

        return run


def _now() -> Times:
    return time.perf_counter(), time.thread_time()


def install(out: str) -> None:
    """Put stopwatches into this process's worker; their sums are written to `out` as JSON when it ends."""
    from pipeline.ledger import fold, write
    from pipeline.rules import fold as rules
    from pipeline.worker import attempts, folding, transport

    watch = Stopwatch()
    places: list[tuple[Any, str, str]] = [
        (attempts, "decode", "decode, validate, pack"),
        (fold, "lock", "position"),
        (fold, "advance", "position"),
        (fold, "hold", "hold: what the ledger has"),
        (rules, "apply", "rules"),
        (fold.Folder, "_apply", "rows: COPY's text"),
        (write, "copy_rows", "COPY of services and reviews"),
        (write, "insert", "COPY of versions, tickets"),
        (write, "update", "UPDATE: partner came later"),
        (write, "upsert_sums", "counters"),
        (fold, "insert", "COPY of raw blocks, outbox"),
        (fold.Folder, "fold", "commit and the rest"),
    ]
    for owner, function, name in places:
        setattr(owner, function, watch.timed(name, getattr(owner, function)))
    threads: list[tuple[Any, str, str]] = [
        (transport.Thread, "_fetch_records", "fetch (thread)"),
        (folding.Folding, "take_in", "Faust's loop (thread)"),
    ]
    for owner, function, name in threads:
        setattr(owner, function, watch.thread(name, getattr(owner, function)))
    atexit.register(lambda: Path(out).write_text(json.dumps(watch.sums)))
