"""What `make proof` holds: broken twins, of which `make test` has the first of each harness, as a check of the harness itself."""

from collections.abc import Iterable
from typing import Any

import pytest


def twins(names: Iterable[str]) -> list[Any]:
    """Parameters for a test of every twin."""
    first, *others = names
    return [first, *(pytest.param(name, marks=pytest.mark.proof) for name in others)]
