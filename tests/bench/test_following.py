"""A figure counts only when the ledger is whole and holds what the load says."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import cast

import pytest

from pipeline.ledger.verify import Finding
from tests.bench import __main__ as bench
from tests.bench import following
from tests.bench.figures import Figure, Wrong
from tests.bench.load import Must
from tests.bench.stage import Stage
from tests.harness import System

MUST = Must(cases=10, reviews=8, duplicates=1, orphans=2, bad=3, matched_services=6, matched_late=1)
SUMS = {"services": 10, "review_records": 8, "unpaired": 2, "matched": 5, "matched_late": 1}


def system(tickets: int) -> System:
    """A ledger's answers."""
    answers = SimpleNamespace(
        settings=None, counters=lambda *_: SUMS, fates=lambda: {"duplicate": 1}, one=lambda _: tickets
    )
    return cast(System, answers)


def found(monkeypatch: pytest.MonkeyPatch, *findings: Finding) -> None:
    monkeypatch.setattr(following, "verify", lambda _: list(findings))


def test_a_right_ledger_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    found(monkeypatch)
    following.check(system(tickets=3), MUST)


def test_a_ticket_less_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    found(monkeypatch)
    with pytest.raises(Wrong, match="the load says"):
        following.check(system(tickets=2), MUST)


def test_a_finding_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    found(monkeypatch, Finding("a hole below the position", 1, []))
    with pytest.raises(Wrong, match="not whole: a hole"):
        following.check(system(tickets=3), MUST)


def test_what_is_wrong_or_too_much_is_told_and_the_rest_still_measured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def wrong(_: Stage) -> Iterator[Figure]:
        yield Figure("half of it", "s", (1.0,))
        raise Wrong("lost one")

    def heavy(_: Stage) -> Iterator[Figure]:
        yield Figure("memory", "MB", (500.0,), limit=400)

    monkeypatch.setattr(bench, "ALL", {"wrong": wrong, "heavy": heavy})
    stage = cast(Stage, SimpleNamespace(say=lambda _: None, figures={}))
    assert bench.measure(stage, ["wrong", "heavy"]) == ["wrong: lost one", "memory is over its limit"]
    assert list(stage.figures) == ["memory"]
