"""Replay: five county years into a fresh schema, with the diff of every published number, as `hcp replay` does it."""

import time
from collections.abc import Iterator

from pipeline.replay.run import Order, begin, run
from tests.bench.figures import Figure, Wrong
from tests.bench.following import follow
from tests.bench.stage import Stage

EVENTS = 450_000
"""Of five years of a county with 90,000 a year."""
LIMIT_SECONDS = 40.0


def measure(stage: Stage) -> Iterator[Figure]:
    """From the raw records that the ledger keeps; nothing may differ from the ledger that was folded from the log."""
    backlog = stage.backlog if stage.quick else stage.load(EVENTS)
    seconds = []
    with stage.system(backlog.prefix) as system:
        follow(system, backlog, 2)
        for _ in stage.repetitions(2):
            began = time.monotonic()
            found = run(system.settings, begin(system.settings, Order()))
            seconds.append(time.monotonic() - began)
            if found.differences:
                raise Wrong(f"the replayed ledger is another: {found.differences[:3]}")
    yield Figure(
        "replay, with its diff",
        "s",
        tuple(seconds),
        f"{backlog.records:,} events, one process",
        LIMIT_SECONDS,
    )
