"""Crash loops: components whose process ends and is started again, over and over."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from pipeline.ledger.components import KEPT_STARTS
from pipeline.ledger.figures import Row

LOOP = timedelta(minutes=10)
"""Alert HcpComponentCrashing counts over the same time (deploy/prometheus/alerts.yml)."""


def crash_loops(components: Sequence[Row], asked_at: datetime, logs: Path) -> list[str]:
    """A sentence for each component that crashes in a loop. `logs`: the folder where `hcp up` keeps the logs."""
    return [_sentence(row, logs) for row in components if _loops(row["started"], asked_at)]


def _loops(started: Sequence[datetime], asked_at: datetime) -> bool:
    return len(started) == KEPT_STARTS and asked_at - started[-1] < LOOP


def _sentence(row: Row, logs: Path) -> str:
    seconds = (row["started"][0] - row["started"][-1]).total_seconds()
    return (
        f"{row['name']} crashes in a loop: its last {KEPT_STARTS} starts lie within {seconds:.0f} s;"
        f" see {_log(row['name'], logs)}"
    )


def _log(name: str, logs: Path) -> str:
    """Workers' logs are numbered by process, their names by slot: any of them may be meant."""
    pattern = "worker*.log" if name.startswith("worker-") else f"{name}.log"
    return ", ".join(str(path) for path in sorted(logs.glob(pattern))) or "its log"
