"""Tickets that wait for their department while a replay takes the live ledger's place: none is lost, none told twice."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from pipeline.ledger.verify import verify
from pipeline.replay import accept as accepting
from pipeline.replay.accept import accept
from pipeline.rules.crowd import WHOLE
from schemas.topics import Stream
from tests.harness import DEPT, System, case, review
from tests.replay.test_accept import sent
from tests.replay.test_replay import replay
from tests.system.test_whole_way import read

pytestmark = pytest.mark.system
MANY = WHOLE + 4
MOVED = MANY - 1
"""The effective review's ticket went with the case."""


@pytest.fixture
def waiting(system: System) -> Iterator[System]:
    """A case that came after many bad reviews; its worker sweeps once, before all of them."""
    system.settings.worker.sweep_seconds = 3600
    with system.worker():
        system.send(review("before", 1))
        system.wait_until_caught_up()
        system.send(*(review("many", 1) for _ in range(MANY)))
        system.wait_until_caught_up()
        system.send(case("many"))
        system.wait_until_caught_up()
        assert departments(system) == {DEPT: 1, "610326": MOVED}
        yield system


def departments(system: System) -> Counter[str]:
    return Counter(dept for (dept,) in system.ask("select dept_code from ticket where case_no = 'many'"))


def test_what_waits_in_the_live_ledger_is_told_by_the_swap(waiting: System) -> None:
    schema, _ = replay(waiting)
    assert accept(waiting.settings, schema, "officer", "").told == MOVED
    sent(waiting)
    assert departments(waiting) == {DEPT: MANY}
    assert waiting.ask("select * from reroute") == []
    assert verify(waiting.settings) == []
    events = [json.loads(value) for _, value in read(waiting, Stream.TICKET)]
    told = Counter(event["step"] for event in events if event["dept_code"] == DEPT)
    assert told == {"rerouted": MANY}


def test_what_waits_in_the_replay_is_done_before_the_swap(
    waiting: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also what the last records folded under the lock leave."""
    schema, _ = replay(waiting)
    accept(waiting.settings, schema, "officer", "")
    again, _ = replay(waiting)
    rest = accepting._fold_rest
    tries: list[Any] = []

    def leaves_some(*args: Any) -> None:
        rest(*args)
        if not tries:
            waiting.tell(f"insert into {again}.reroute (case_no, service_no) values ('many', 1)")
            waiting.tell(
                f"update {again}.ticket set dept_code = '610326', routed_by = 'county' where case_no = 'many'"
            )
        tries.append(args)

    monkeypatch.setattr(accepting, "_fold_rest", leaves_some)
    assert accept(waiting.settings, again, "officer", "").told == 0
    assert len(tries) == 2
    assert departments(waiting) == {DEPT: MANY}
    assert verify(waiting.settings) == []
