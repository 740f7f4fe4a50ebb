"""Alignment: partitions are read at one pace of time.

A review that comes in a backlog long before its case, because its partition is read faster, costs a placeholder, a
search and an update; in the batch of its case it costs a row. So what is ahead waits for what is behind.
"""

from collections.abc import Collection, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

P = TypeVar("P", bound=Hashable)


@dataclass(slots=True)
class Alignment(Generic[P]):
    """How far each partition has been read, in the time of its records (Unix seconds). Knows no Kafka."""

    _reached: dict[P, float] = field(default_factory=dict)
    _spans: dict[P, float] = field(default_factory=dict)

    def read(self, partition: P, first: float, last: float) -> None:
        """A portion whose records have times from `first` to `last` was handed on."""
        self._reached[partition] = last
        self._spans[partition] = max(0, last - first)

    def due(self, active: Collection[P], lagging: Collection[P]) -> set[P]:
        """Which of `active` to read next. `lagging`: those the log has more of, as far as is known.

        Those that are not further than the slowest will be after one portion more; one never read holds all that were.
        """
        slowest = min(lagging, key=self._reach, default=None)
        if slowest is None:
            return set(active)
        limit = self._reach(slowest) + self._spans.get(slowest, 0)
        return {partition for partition in active if self._reach(partition) <= limit}

    def _reach(self, partition: P) -> float:
        return self._reached.get(partition, -1)
