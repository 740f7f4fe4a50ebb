"""A gateway in this process for each test that asks for one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.producers.gateway.house import House, house


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[House]:
    """Its database and its Kafka are nowhere; its clock stands until it is moved."""
    with house(tmp_path) as made:
        yield made
