"""Breakdown: where one worker process spends its time on an event, by stopwatches that the product does not know of."""

import json
from collections.abc import Iterator
from pathlib import Path

from tests.bench.figures import Figure, rate
from tests.bench.following import follow
from tests.bench.stage import Stage

ROOT = Path(__file__).parents[2]


def measure(stage: Stage) -> Iterator[Figure]:
    """µs an event by the clock; the CPU's share of it in the note. What is no CPU is waiting: for PostgreSQL or the GIL.

    Decoding has a thread of its own, and so has writing (all but the threads' lines): they run side by side.
    """
    backlog = stage.backlog
    with stage.system(backlog.prefix) as system:
        out = system.folder / "times.json"
        code = f"""
            import sys
            sys.path.insert(0, {str(ROOT)!r})
            from tests.bench.timing import install
            install({str(out)!r})
        """
        curve = follow(system, backlog, 1, code=code)
        sums: dict[str, tuple[float, float]] = json.loads(out.read_text())
    for name, (clock, processor) in sorted(sums.items(), key=lambda item: -item[1][0]):
        each = clock * 1e6 / backlog.records, processor * 1e6 / backlog.records
        thread = name.endswith("(thread)")
        note = "CPU of the whole thread" if thread else f"CPU {each[1]:.1f}"
        yield Figure(f"breakdown, {name}", "µs/event", (each[thread],), note)
    yield Figure(
        "breakdown, all by the clock", "µs/event", (1e6 / rate(curve),), "1 process, with stopwatches"
    )
