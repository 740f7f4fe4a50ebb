"""A rate with its fraction."""

from typing import NamedTuple


class Rate(NamedTuple):
    """`value` is None while nothing is counted."""

    part: int
    whole: int

    @property
    def value(self) -> float | None:
        """0 to 1."""
        return self.part / self.whole if self.whole else None
