"""A gateway in this process for each test that asks for one, or for a module."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.producers.gateway.house import UNLIMITED, House, house


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[House]:
    """Its database and its Kafka are nowhere; its clock stands until it is moved."""
    with house(tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def open_house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A gateway without limits, for a whole module."""
    with house(tmp_path_factory.mktemp("open"), **UNLIMITED) as made:
        yield made
