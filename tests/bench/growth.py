"""Growth: does an event cost more when the ledger is large? One backlog, looked at on the way."""

from collections.abc import Iterator

from tests.bench.figures import Figure, rate
from tests.bench.following import follow
from tests.bench.stage import Stage

MARKS = (200_000, 1_000_000, 5_000_000)
WINDOW = 150_000
"""What is measured at each mark: the events before it."""


def measure(stage: Stage) -> Iterator[Figure]:
    """Two workers fold five million events; seconds per event just before each mark."""
    backlog = stage.load(round(MARKS[-1] * 1.01))
    with stage.system(backlog.prefix) as system:
        curve = follow(system, backlog, 2)
    costs = {mark: 1e6 / rate(curve, mark - WINDOW, mark) for mark in MARKS}
    for mark, cost in costs.items():
        note = f"{cost / costs[MARKS[0]]:.2f} × that at {MARKS[0]:,}"
        yield Figure(f"growth, at {mark:,}", "µs/event", (cost,), note)
    yield Figure(
        "growth, the whole way", "µs/event", (1e6 / rate(curve),), "2 processes", details={"curve": curve}
    )
