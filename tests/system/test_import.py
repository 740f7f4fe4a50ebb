"""A file of a real log's shape, through a real worker: all of it there, and the second time nothing but duplicates."""

import csv
import random
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from pipeline.rules.measures import MEASURES
from producers.cases import import_cases
from producers.rows import rows
from tests.harness import System

pytestmark = pytest.mark.system

REAL = Path(__file__).parents[3] / "shared" / "data" / "real" / "municipal_permit_cases.csv"
ROWS, CASES, MOST = 8_577, 1_434, 25
CHANNELS = ["Internet", "Desk", "Post", "e-mail", "Intern"]
SERVICES = "select case_no, service_no, md5(service::text) from service order by 1, 2"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The real log if it lies beside the project, else one like it."""
    if REAL.exists():
        return REAL
    path = tmp_path / "permits.csv"
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


def test_every_service_is_there_and_a_repetition_changes_nothing(system: System, file: Path) -> None:
    assert len(list(rows(file))) == ROWS
    system.settings.stack.data_dir = system.folder
    with system.worker():
        report = import_cases(system.settings, "municipal-permit", file)
        system.wait_until_caught_up(120)
        assert (report.rows, report.published, report.errors) == (ROWS, ROWS, None)
        assert system.fates() == {"stored": ROWS}
        assert system.one("select count(distinct case_no)::int from service") == CASES
        services, sums = system.ask(SERVICES), system.counters(*MEASURES)
        assert (len(services), sums["services"]) == (ROWS, ROWS)
        import_cases(system.settings, "municipal-permit", file, again=True)
        system.wait_until_caught_up(120)
    assert system.fates() == {"stored": ROWS, "duplicate": ROWS}
    assert (system.ask(SERVICES), system.counters(*MEASURES)) == (services, sums)
