"""What a simulated county is made from: everything else follows, the same for the same."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple


class Miniature(NamedTuple):
    """A county in miniature. `began`: aware, to the second; `rate`: services begun on a working day; `halls`: 1 to 9;
    `bad`: the share of bad reviews.
    """

    seed: int
    began: datetime
    days: float = 2
    rate: int = 700
    halls: int = 3
    bad: float = 0.02

    @property
    def until(self) -> datetime:
        """Its end: what would be given or sent later, is not."""
        return self.began + timedelta(days=self.days)

    @property
    def name(self) -> str:
        """Tells it from every other that begins at another moment: case numbers and devices are called after it."""
        return f"{self.seed}-{self.began.astimezone(UTC):%Y%m%dT%H%M%S}"

    @property
    def case_prefix(self) -> str:
        """How its case numbers begin."""
        return f"SIM{self.name}-"
