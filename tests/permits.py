"""The log of a real municipality's permit cases, or a file of its shape: a row is one service given."""

import csv
import random
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

REAL = Path(__file__).parents[2] / "shared" / "data" / "real" / "municipal_permit_cases.csv"
ROWS, CASES, MOST = 8_577, 1_434, 25
CHANNELS = ["Internet", "Desk", "Post", "e-mail", "Intern"]


def permit_file(folder: Path) -> Path:
    """The real log if it lies beside the project, else one like it, made in `folder`."""
    if REAL.exists():
        return REAL
    path = folder / "permits.csv"
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, next(iter(permits())))
        writer.writeheader()
        writer.writerows(permits())
    return path


def sizes() -> list[int]:
    """How many rows each case has: 1 to 25, 8,577 in all."""
    spread = [MOST, *[6] * (CASES - 1)]
    for place in range(1, sum(spread) - ROWS + 1):
        spread[place] -= 1
    return spread


def permits() -> Iterator[dict[str, str]]:
    """The rows, case by case."""
    chance = random.Random(1)
    for number, size in enumerate(sizes(), start=1):
        began = datetime(2011, 10, 11, 13, 45, 40, 276000, timezone(timedelta(hours=2))) - timedelta(
            hours=number
        )
        for step in range(size):
            yield {
                "case:channel": CHANNELS[number % 5],
                "case:concept:name": f"case-{number}",
                "case:startdate": str(began),
                "concept:name": f"T{step:02} Determine something" if step else "Confirmation of receipt",
                "lifecycle:transition": "complete",
                "org:group": chance.choice(["Group 1", "Group 4", "EMPTY"]),
                "org:resource": f"Resource{chance.randrange(40):02}",
                "time:timestamp": str(began + timedelta(hours=step, microseconds=1)),
            }
