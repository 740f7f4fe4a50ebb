"""A worker that ends before its first beat, again and again: counted, in `hcp status`, in the metrics."""

import pytest

from consumers.exporter import samples
from consumers.status import collect
from pipeline import metrics
from tests.harness import System
from tests.wait import wait_for

pytestmark = pytest.mark.system
CRASH = """
    import os
    from pipeline.worker import app
    app.Worker._compose = lambda self: os._exit(9)
"""


def crash(system: System, times: int) -> None:
    for _ in range(times):
        with system.worker(CRASH) as process:
            assert process.wait(30) == 9


def test_a_worker_that_never_beats_is_counted_and_named(system: System) -> None:
    crash(system, 3)
    picture = collect(system.settings)
    assert picture["errors"] == []
    assert [(row["name"], row["state"], row["starts"]) for row in picture["components"]] == [
        ("worker-0", "stopped", 3)
    ]

    crash(system, 2)
    picture = collect(system.settings)
    (error,) = picture["errors"]
    assert error.startswith("worker-0 crashes in a loop: its last 4 starts lie within")
    told = {computed.name: (labels, value) for computed, labels, value in samples(picture, 0.95)}
    assert told[metrics.STARTS.name] == (("worker-0",), 5)
    assert system.one("select cardinality(started) from office.component") == 4


def test_a_worker_that_runs_is_one_start_however_often_it_beats(system: System) -> None:
    with system.worker():
        wait_for(
            lambda: system.ask("select 1 from office.component where state = 'running'"), 40, "its first beat"
        )
        (row,) = collect(system.settings)["components"]
        system.tell("update office.component set at = started[1]")
        wait_for(lambda: system.one("select at > started[1] from office.component"), 20, "another beat")
        assert (row["starts"], system.one("select starts from office.component")) == (1, 1)
    assert row["started_at"] is not None
