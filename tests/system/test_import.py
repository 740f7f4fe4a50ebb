"""A file of a real log's shape, through a real worker: all of it there, and the second time nothing but duplicates."""

from pathlib import Path

import pytest

from pipeline.rules.measures import MEASURES
from producers.imports.cases import import_cases
from producers.imports.rows import rows
from tests.harness import System
from tests.permits import CASES, ROWS, permit_file

pytestmark = pytest.mark.system

SERVICES = "select case_no, service_no, md5(service::text) from service order by 1, 2"


def test_every_service_is_there_and_a_repetition_changes_nothing(system: System, tmp_path: Path) -> None:
    file = permit_file(tmp_path)
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
