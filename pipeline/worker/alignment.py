"""Alignment: partitions are read at one pace of time.

A review that comes in a backlog long before its case, because its partition is read faster, costs a placeholder, a
search and an update; in the batch of its case it costs a row. So what is ahead waits for what is behind.
"""

from collections.abc import Collection, Hashable
from dataclasses import dataclass, field
from math import inf
from typing import Generic, TypeVar

P = TypeVar("P", bound=Hashable)
LONGEST_HOLD = 2.0
"""Seconds that a partition waits for others at most, however far it is ahead; then it is read as long as that without
waiting. Times are what senders claim, so one whose clock is wrong slows its partition down to a half at most.
"""


@dataclass(slots=True)
class Alignment(Generic[P]):
    """How far each partition has been read, in the time of its records (Unix seconds). Knows no Kafka."""

    _reached: dict[P, float] = field(default_factory=dict)
    _spans: dict[P, float] = field(default_factory=dict)
    _due_at: dict[P, float] = field(default_factory=dict)
    _free_until: dict[P, float] = field(default_factory=dict)

    def read(self, partition: P, first: float, last: float) -> None:
        """A portion whose records have times from `first` to `last` was handed on."""
        self._reached[partition] = last
        self._spans[partition] = max(0, last - first)

    def due(self, active: Collection[P], lagging: Collection[P], now: float) -> set[P]:
        """Which of `active` to read next. `lagging`: those the log has more of, as far as is known. `now`: seconds, monotonic.

        Those that are not further than the slowest will be after one portion more; one never read holds all that were,
        each for `LONGEST_HOLD` at a time.
        """
        slowest = min(lagging, key=self._reach, default=None)
        limit = inf if slowest is None else self._reach(slowest) + self._spans.get(slowest, 0)
        due = {p for p in active if self._reach(p) <= limit or self._is_free(p, now)}
        self._due_at.update(dict.fromkeys(due, now))
        return due

    def _is_free(self, partition: P, now: float) -> bool:
        """Whether it has waited for as long as it may, now or a moment ago."""
        if now - self._due_at.setdefault(partition, now) >= LONGEST_HOLD:
            self._free_until[partition] = now + LONGEST_HOLD
        return now < self._free_until.get(partition, now)

    def _reach(self, partition: P) -> float:
        return self._reached.get(partition, -1)
