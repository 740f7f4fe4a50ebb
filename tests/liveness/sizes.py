"""How much of everything: little in `make test`, as much as was seen in the field in `python -m tests.liveness`."""

from typing import NamedTuple


class Sizes(NamedTuple):
    """Records, but for `examples` of Hypothesis."""

    reviews: int
    """Bad reviews under one (case_no, service_no), and versions of one case."""
    orphans: int
    """Bad reviews of one case that comes after them."""
    flood: int
    """On one partition, claimed to be received years ago."""
    examples: int


SHORT = Sizes(reviews=5_000, orphans=2_000, flood=50_000, examples=15)
LONG = Sizes(reviews=24_000, orphans=100_000, flood=500_000, examples=300)
