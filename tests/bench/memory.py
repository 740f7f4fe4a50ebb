"""Memory: the most that one worker process holds while it catches up."""

from collections.abc import Iterator

import psutil

from tests.bench.figures import Figure
from tests.bench.following import Workers, follow
from tests.bench.stage import Stage

LIMIT_MB = 400.0
_MB = 2**20


class Peak:
    """The highest of what was seen, in MB. `pss` counts shared pages by their share; 0 where the system does not tell."""

    def __init__(self) -> None:
        self.rss = self.pss = 0.0

    def look(self, workers: Workers) -> None:
        """See what each worker holds now."""
        for worker in workers:
            memory = psutil.Process(worker.pid).memory_full_info()
            self.rss = max(self.rss, memory.rss / _MB)
            self.pss = max(self.pss, getattr(memory, "pss", 0) / _MB)


def measure(stage: Stage) -> Iterator[Figure]:
    """One worker over the whole backlog, looked at twenty times a second."""
    peaks = []
    for _ in stage.repetitions(1):
        peaks.append(Peak())
        with stage.system(stage.backlog.prefix) as system:
            follow(system, stage.backlog, 1, peaks[-1].look)
    note = f"worker process, {stage.backlog.records:,} events"
    yield Figure("memory, peak RSS", "MB", tuple(peak.rss for peak in peaks), note, LIMIT_MB)
    yield Figure("memory, peak PSS", "MB", tuple(peak.pss for peak in peaks), note, LIMIT_MB)
