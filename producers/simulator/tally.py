"""What came of everything that was sent: taken, refused by kind, tried again by reason, and how long answers took."""

import time
from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence

from producers.simulation.step import Step
from producers.simulator.expect import Expect, Taken, expected

MEDIAN, P99 = 0.5, 0.99


class Tally:
    """For one event loop. `clock`: seconds, never going back."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = clock()
        self.taken: Taken = {}
        self.unanswered: set[str] = set()
        self.refused: Counter[str] = Counter()
        self.again: Counter[str] = Counter()
        self.by_way: Counter[str] = Counter()
        self.troubles: Counter[str] = Counter()
        self.recent = array("d")
        """Of `answers` those since somebody last emptied it."""
        self.answers: defaultdict[str, array[float]] = defaultdict(lambda: array("d"))

    def restart(self) -> None:
        """The time counts from now."""
        self._began = self._clock()

    def take(self, step: Step, event_id: str) -> None:
        """The gateway has said 202 to it."""
        self.by_way[step.way] += 1
        if step.trouble and event_id not in self.taken:
            self.troubles[step.trouble] += 1
        self.taken.setdefault(event_id, step.event)

    def refuse(self, kind: str) -> None:
        """The gateway will never take it."""
        self.refused[kind] += 1

    def answered(self, what: str, seconds: float) -> None:
        """An answer came, whatever it was."""
        self.answers[what].append(seconds)
        self.recent.append(seconds)

    @property
    def done(self) -> int:
        """Events that were answered for good."""
        return self.by_way.total() + self.refused.total()

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return self._clock() - self._began

    def expect(self, case_prefix: str) -> Expect:
        """What the ledger must hold."""
        return expected(case_prefix, self.taken, sorted(self.unanswered))


def quantile(seconds: Sequence[float], share: float) -> float:
    """The least value that this share does not exceed; 0 for none."""
    ordered = sorted(seconds)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0
