"""Which components crash in a loop, and what is said of them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from consumers.crashes import LOOP, crash_loops

NOW = datetime(2026, 11, 28, 7, 20, tzinfo=UTC)


def component(name: str, *ago: timedelta) -> dict[str, Any]:
    """Its last starts, the newest first."""
    return {"name": name, "started": [NOW - before for before in ago]}


def test_four_starts_within_ten_minutes_are_a_crash_loop(tmp_path: Path) -> None:
    minutes = [timedelta(minutes=n) for n in (1, 2, 3)]
    loops = component("worker-0", *minutes, LOOP - timedelta(seconds=1))
    slow = component("worker-1", *minutes, LOOP)
    young = component("worker-2", *minutes)
    (said,) = crash_loops([loops, slow, young], NOW, tmp_path)
    assert said == "worker-0 crashes in a loop: its last 4 starts lie within 539 s; see its log"


def test_the_logs_of_the_stack_are_named(tmp_path: Path) -> None:
    for name in ("worker", "worker-2", "desk", "gateway"):
        (tmp_path / f"{name}.log").touch()
    often = [timedelta(seconds=n) for n in range(4)]
    worker, desk = crash_loops([component("worker-0", *often), component("desk", *often)], NOW, tmp_path)
    assert worker.endswith(f"see {tmp_path}/worker-2.log, {tmp_path}/worker.log")
    assert desk.endswith(f"see {tmp_path}/desk.log")
