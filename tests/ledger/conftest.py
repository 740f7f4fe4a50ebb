"""How many records make a service crowded: few, so that tests of a handful reach the ways of crowds."""

import pytest

from pipeline.rules import crowd

FEW = 2


@pytest.fixture
def few_are_a_crowd(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three records of a service are a crowd."""
    monkeypatch.setattr(crowd, "WHOLE", FEW)


@pytest.fixture(params=[FEW, crowd.WHOLE])
def whole(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """The test runs twice: with so few, and with as many as in the product."""
    most: int = request.param
    monkeypatch.setattr(crowd, "WHOLE", most)
    return most
