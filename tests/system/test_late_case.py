"""A case that comes after many bad reviews of it: its worker's sweep gives their tickets to its department."""

from collections import Counter

import pytest

from pipeline.ledger.verify import verify
from pipeline.rules.crowd import WHOLE
from tests.harness import DEPT, System, case, review
from tests.wait import wait_for

pytestmark = pytest.mark.system
MANY = WHOLE + 4


def test_one_sweep_goes_on_until_all_tickets_are_rerouted(system: System) -> None:
    """In portions of four, five sweeps would take five times as long as is waited for one."""
    system.settings.worker.sweep_seconds = 10

    def departments() -> Counter[str]:
        return Counter(row[0] for row in system.ask("select dept_code from ticket where case_no = 'many'"))

    with system.worker(code="from pipeline.ledger import reroute; reroute.PORTION = 4"):
        system.send(*(review("many", 1) for _ in range(MANY)))
        system.wait_until_caught_up()
        system.send(case("many"))
        system.wait_until_caught_up()
        wait_for(lambda: not system.ask("select * from reroute"), 30, "the sweep")
        wait_for(lambda: not system.ask("select from outbox where sent_at is null"), 30, "the relay")
    assert departments() == {DEPT: MANY}
    assert verify(system.settings) == []
