"""The short form of `make faults`: a few faults on one set of servers, and every broken twin going red."""

from pathlib import Path

import pytest

from tests.faults.arena import Arena
from tests.faults.kinds import KINDS
from tests.faults.run import Ledger, plan, run
from tests.faults.twins import TWINS, Twin

pytestmark = pytest.mark.system
SEED = 11
LONG = {"zombie", "join", "kafka-killed", "postgres-hung"}
"""Half a minute each, mostly of waiting for a session's time-out; `make faults` has them in plenty."""


def hold(folder: Path, faults: list[tuple[str, float]], twin: Twin | None = None) -> Ledger:
    """A run on servers of its own."""
    arena = Arena(folder, SEED, twin)
    try:
        arena.open()
        return run(arena, faults, lambda _: None)
    finally:
        arena.close()


def test_one_of_each_short_kind_leaves_the_ledger_as_the_model_has_it(tmp_path: Path) -> None:
    faults = plan(SEED, len(KINDS) - len(LONG), [kind for kind in KINDS if kind not in LONG])
    ledger = hold(tmp_path, faults)
    assert not ledger.wrong, "\n".join(ledger.wrong)
    assert {one.kind for one in ledger.struck} == set(KINDS) - LONG


@pytest.mark.proof
@pytest.mark.parametrize("name", TWINS)
def test_a_broken_twin_goes_red(name: str, tmp_path: Path) -> None:
    twin = TWINS[name]
    ledger = hold(tmp_path, plan(SEED, 2, twin.shown_by), twin)
    assert any(words.startswith(twin.said) for words in ledger.wrong), "\n".join(ledger.wrong)


def test_a_plan_holds_every_kind_and_its_seed_makes_it_again() -> None:
    assert plan(3, 200) == plan(3, 200)
    assert plan(3, 200) != plan(4, 200)
    assert sum(weight for _, weight in KINDS.values()) == 200
    assert [len(plan(3, faults)) for faults in (1, 15, 200, 333)] == [1, 15, 200, 333]
    assert {kind for kind, _ in plan(3, len(KINDS))} == set(KINDS)
    assert {kind for kind, _ in plan(3, len(KINDS), ["kill", "nap"])} == {"kill", "nap"}
