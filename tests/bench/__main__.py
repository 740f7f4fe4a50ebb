"""`make bench`: measures everything in one run, and holds each figure to its load's sums and its limit."""

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from tests.bench import (
    breakdown,
    catch_up,
    ceiling,
    crowd,
    floor,
    gateway,
    growth,
    h5,
    latency,
    memory,
    peer,
    replay,
    report,
    spool,
)
from tests.bench.figures import Figure, Wrong
from tests.bench.stage import Measurement, Stage, stage
from tests.conftest import CACHE

RESULTS = Path(__file__).parents[2] / "bench-results"
PAPER = 160
"""Columns where there is no terminal."""
EVENTS, QUICK_EVENTS = 400_000, 40_000
USUAL: dict[str, Measurement] = {
    "ceiling": ceiling.measure,
    "floor": floor.measure,
    "catch_up": catch_up.measure,
    "memory": memory.measure,
    "replay": replay.measure,
    "latency": latency.measure,
    "peer": peer.measure,
    "breakdown": breakdown.measure,
    "h5": h5.measure,
    "gateway": gateway.measure,
    "spool": spool.measure,
    "crowd": crowd.measure,
}
ALL: dict[str, Measurement] = USUAL | {"growth": growth.measure}


def measure(stage: Stage, names: list[str]) -> list[str]:
    """Measure these, into `stage.figures`; returns what went wrong."""
    wrong = []
    for name in names:
        stage.say(f"— {name}")
        try:
            stage.figures |= _figures(stage, name)
        except Wrong as error:
            wrong.append(f"{name}: {error}")
    return wrong + [f"{name} is over its limit" for name, figure in stage.figures.items() if figure.too_much]


def _figures(stage: Stage, name: str) -> dict[str, Figure]:
    """All of a measurement or nothing of it."""
    return {figure.name: figure for figure in ALL[name](stage)}


def main(
    events: Annotated[int, typer.Option(min=0, help="events of the backlog, about; 0: as is usual")] = 0,
    only: Annotated[list[str] | None, typer.Option(help=f"one of {', '.join(ALL)}; may be repeated")] = None,
    repeat: Annotated[int, typer.Option(min=0, help="repetitions; 0: as is usual for each")] = 0,
    growth: Annotated[bool, typer.Option("--growth", help="five million events as well; long")] = False,
    quick: Annotated[bool, typer.Option("--quick", help="a glance: few events, once each")] = False,
) -> None:
    """Measure, print a table, write bench-results/<time>.json. Exit code 1 if a figure does not count or is too high."""
    names = list(dict.fromkeys([*(only or USUAL), *(["growth"] if growth else [])]))
    if unknown := [name for name in names if name not in ALL]:
        raise typer.BadParameter(f"{', '.join(unknown)}: there is {', '.join(ALL)}")
    for name in [name for name in os.environ if name.startswith("HCP_")]:
        del os.environ[name]  # no setting of the outside reaches a measurement
    console = Console()
    if not console.is_terminal:
        console.width = PAPER
    with stage(events or (QUICK_EVENTS if quick else EVENTS), repeat or None, console, quick=quick) as made:
        facts = report.machine(CACHE)
        wrong = measure(made, names)
    figures = list(made.figures.values())
    console.print(report.table(figures))
    for words in wrong:
        console.print(words, style="red", markup=False)
    console.print(f"written to {report.save(RESULTS, facts, figures, wrong)}", highlight=False)
    raise typer.Exit(1 if wrong else 0)


if __name__ == "__main__":
    typer.run(main)
