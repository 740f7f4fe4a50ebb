"""What several ways in are tested with."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.producers.shown import Shown, shown_in


@pytest.fixture
def shown(tmp_path: Path) -> Iterator[Shown]:
    """A gateway for the examples of the documentation."""
    with shown_in(tmp_path) as made:
        yield made
