from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import case, review
from tests.producers.gateway.house import SYSTEM, House, house


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path) as made:
        yield made


def test_a_signed_review_lies_on_disk_when_it_is_accepted(gateway: House) -> None:
    event = review("C1", channel="terminal")
    answer = gateway.send(event)
    assert answer.status_code == 202, answer.text
    [kept] = gateway.values()
    assert kept["event_id"] == event["event_id"] == answer.json()["event_id"]
    assert kept["window_code"] == "W1"


def test_a_signed_case_too(gateway: House) -> None:
    answer = gateway.send(case("C1"), SYSTEM)
    assert answer.status_code == 202, answer.text
    assert gateway.values()[0]["source"] == SYSTEM
