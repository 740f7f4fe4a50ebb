"""What a run leaves behind: a line a fault, a table a kind, and everything in JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from tests.faults.run import Ledger, Struck

HEAD = f"{'kind':20} {'n':>4} {'median s':>9} {'worst s':>9}"


def line(one: Struck) -> str:
    """A fault."""
    return f"{one.number:4} {one.at:8.1f} s  {one.kind:20} back after {one.recovery:5.1f} s"


def kinds(struck: Sequence[Struck]) -> list[tuple[str, int, float, float]]:
    """Each kind: how often, median and worst recovery in seconds."""
    by_kind: dict[str, list[float]] = {}
    for one in struck:
        by_kind.setdefault(one.kind, []).append(one.recovery)
    return [(kind, len(times), median(times), max(times)) for kind, times in sorted(by_kind.items())]


def table(struck: Sequence[Struck]) -> str:
    """The kinds, and all of them together."""
    times = [one.recovery for one in struck]
    rows = kinds(struck) + ([("all", len(times), median(times), max(times))] if times else [])
    return "\n".join([HEAD, *(f"{kind:20} {n:4} {mid:9.1f} {worst:9.1f}" for kind, n, mid, worst in rows)])


def verdict(ledger: Ledger) -> str:
    """One sentence, or one for everything that is wrong."""
    if not ledger.wrong:
        return (
            f"{len(ledger.struck)} faults, {ledger.records:,} records acknowledged, {ledger.taken:,} events taken by the gateway"
            f" and {ledger.turned_away:,} turned away: nothing lost, nothing twice, nothing wrong"
        )
    return "\n".join(f"WRONG: {words}" for words in ledger.wrong)


def save(folder: Path, ledger: Ledger, facts: dict[str, Any]) -> Path:
    """Write `faults-<time>.json`; returns its path."""
    folder.mkdir(exist_ok=True)
    path = folder / f"faults-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    everything = {"machine": facts, "kinds": kinds(ledger.struck), **asdict(ledger)}
    path.write_text(json.dumps(everything, indent=1, ensure_ascii=False))
    return path
