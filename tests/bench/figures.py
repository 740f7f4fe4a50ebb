"""The bench's arithmetic: what several repetitions of one measurement say, and how far apart they lie."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

Point = tuple[float, int]
"""Seconds since some beginning, records folded by then."""


class Wrong(Exception):
    """A run whose result is not what its load says: its figure does not count."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured thing: the value of every repetition, in `unit`. More than `limit` is a failure."""

    name: str
    unit: str
    values: tuple[float, ...]
    note: str = ""
    limit: float | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def middle(self) -> float:
        """The median of the repetitions."""
        return median(self.values)

    @property
    def spread(self) -> float:
        """The distance between lowest and highest, as a share of the median; 0 for a single value."""
        return (max(self.values) - min(self.values)) / self.middle if self.middle else 0.0

    @property
    def too_much(self) -> bool:
        """Whether a repetition went over the limit."""
        return self.limit is not None and max(self.values) > self.limit


def percentile(values: Sequence[float], share: float) -> float:
    """The least value that `share` of all do not exceed (nearest rank: a value that was measured)."""
    if not values:
        raise ValueError("no values, no percentile")
    return sorted(values)[max(math.ceil(share * len(values)), 1) - 1]


def rate(curve: Sequence[Point], begin: int = 1, end: int | None = None) -> float:
    """Records a second between the first points at which `begin` and `end` (default: all) records were folded.

    What was folded already when the first point was seen does not count: nobody saw how long it took.
    """
    first = next(point for point in curve if point[1] >= begin)
    last = next(point for point in curve if point[1] >= (curve[-1][1] if end is None else end))
    if last[0] <= first[0]:
        raise Wrong("the run was over before it could be measured: take more events")
    return (last[1] - first[1]) / (last[0] - first[0])


def steady(curve: Sequence[Point]) -> float:
    """Records a second between a tenth and nine tenths of the way: without joining, first batches and last ones."""
    return rate(curve, curve[-1][1] // 10, curve[-1][1] * 9 // 10)


def ratio(name: str, over: Figure, under: Figure, note: str = "") -> Figure:
    """The ratio of two medians."""
    return Figure(name, "×", (over.middle / under.middle,), note)


def number(value: float) -> str:
    """Three digits that matter: 41,500; 12.3; 0.28."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
