"""The short form of the soak: twenty seconds without Kafka; and every broken twin going red."""

from pathlib import Path

import pytest

from tests.soak.ground import Ground
from tests.soak.run import Soaked, soak
from tests.soak.twins import TWINS

pytestmark = pytest.mark.system
MINUTES, PACE = 1 / 3, 40


def soaked(folder: Path, twin: str = "", **more: float) -> Soaked:
    """A run on servers of its own."""
    with Ground(folder, twin) as ground:
        return soak(ground, MINUTES, PACE, lambda _: None, **more)


def test_without_kafka_and_with_a_killed_gateway_every_202_arrives_once(tmp_path: Path) -> None:
    found = soaked(tmp_path)
    assert not found.wrong, "\n".join(found.wrong)
    assert found.kafka_gone >= MINUTES * 60
    assert found.taken > MINUTES * 60 * PACE / 2
    assert found.lost_answers > 0, "nobody was there when the gateway was killed"


@pytest.mark.proof
@pytest.mark.parametrize("name", TWINS)
def test_a_broken_twin_goes_red(name: str, tmp_path: Path) -> None:
    found = soaked(tmp_path, TWINS[name], drain=15)
    assert any(" lost: " in words for words in found.wrong), "\n".join(found.wrong)
