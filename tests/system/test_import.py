"""Files, a watched folder and paper forms, through a real worker: all of it there, and the second time only duplicates."""

import csv
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from pipeline.ledger.raw import unpack
from pipeline.rules.measures import MEASURES
from pipeline.sealing import Sealer
from pipeline.settings import environment
from producers import state
from producers.imports.cases import import_cases
from producers.imports.kinds import RowKind
from producers.imports.known import load
from producers.imports.paper.importing import import_paper
from producers.imports.standing import Standing
from schemas.identifiers import OWN_CASE_PREFIX
from tests.harness import System
from tests.permits import CASES, ROWS, permit_file
from tests.producers.imports.filling import keying, line
from tests.producers.imports.test_sources import BY_SERVICE, ONE_NUMBER, PROVINCE
from tests.producers.imports.workbooks import GOOD, department_workbook
from tests.wait import wait_for

pytestmark = pytest.mark.system

SERVICES = "select case_no, service_no, md5(service::text) from service order by 1, 2"


def test_every_service_is_there_and_a_repetition_changes_nothing(system: System, tmp_path: Path) -> None:
    file = permit_file(tmp_path)
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


def test_paper_forms_reach_the_ledger_once_with_the_number_of_their_scan(
    system: System, tmp_path: Path
) -> None:
    system.settings.stack.data_dir = system.folder
    forms = {1: line(满意度="1", 原因1="108", 办件编号="MX1", 电话="13812345678"), 2: line(扫描件编号="S2")}
    keyed = [keying(tmp_path, name, forms, bad=1) for name in ("甲", "乙")]
    with system.worker():
        for _ in range(2):
            assert import_paper(system.settings, *keyed).published == 2
        system.wait_until_caught_up()
    assert system.fates() == {"stored": 2, "duplicate": 2}
    reviews = system.ask(
        "select case_no, satisfaction, channel, event_id, reviewer from review order by satisfaction"
    )
    assert [review[:3] for review in reviews] == [("MX1", 1, "paper"), ("", 5, "paper")]
    assert system.ask("select distinct sender, flags::text from review") == [("/paper", "{}")]
    sealer = Sealer(system.settings.seal)
    assert sealer.open_reviewer(reviews[0][3], reviews[0][4]).phone == "13812345678"
    assert system.one("select count(*)::int from ticket") == 1
    kept = [
        record.value or b""
        for (block,) in system.ask("select data from raw_block")
        for record in unpack(block)
    ]
    assert sum(b'"scan_ref":"S2"' in value for value in kept) == 2
    assert not any(b"13812345678" in value for value in kept)


def written(path: Path, lines: list[dict[str, str]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, list(lines[0]))
        writer.writeheader()
        writer.writerows(lines)
    return path


def test_one_case_number_for_everybody_joins_no_review_to_a_stranger(system: System, tmp_path: Path) -> None:
    system.settings.stack.data_dir = system.folder
    cases = [ONE_NUMBER | {"叫号时间": f"2026/11/02 09:0{n}:00"} for n in range(4)]
    reviews = [
        BY_SERVICE | {"projectNo": "000000000000", "assessNumber": "", "windowNo": f"A{n}"} for n in range(3)
    ]
    with system.worker():
        import_cases(system.settings, "one-number", written(tmp_path / "cases.csv", cases))
        import_cases(
            system.settings,
            "reviews-by-service",
            written(tmp_path / "reviews.csv", reviews),
            kind=RowKind.REVIEW,
        )
        system.wait_until_caught_up()
    assert system.fates() == {"stored": 7}
    senders = (
        "select sender, 'received_claimed' = any(flags) from service union select sender, false from review"
    )
    assert set(system.ask(senders)) == {("/import/one-number", False), ("/import/reviews-by-service", False)}
    assert system.counters("services", "matched", "standalone", "conflicts") == {
        "services": 4,
        "standalone": 3,
    }


def test_one_case_number_that_no_mapping_knows_joins_no_review_to_a_stranger(
    system: System, tmp_path: Path
) -> None:
    system.settings.stack.data_dir = system.folder
    everybodys, own = "88888888", PROVINCE | {"projectNo": "MX1"}
    strangers = [
        PROVINCE | {"projectNo": everybodys, "acceptDate": f"2026-11-02 08:0{n}:00"} for n in range(4)
    ]
    reviews = [
        BY_SERVICE | {"projectNo": everybodys, "assessNumber": "1", "windowNo": f"A{n}"} for n in range(3)
    ]
    his = BY_SERVICE | {"projectNo": "MX1", "assessNumber": "1"}
    assert everybodys not in load("province-cases").placeholders | load("reviews-by-service").placeholders
    with system.worker():
        cases = import_cases(
            system.settings, "province-cases", written(tmp_path / "cases.csv", [*strangers, own])
        )
        told = import_cases(
            system.settings,
            "reviews-by-service",
            written(tmp_path / "reviews.csv", [*reviews, his]),
            kind=RowKind.REVIEW,
        )
        system.wait_until_caught_up()
    assert (cases.counts.shared, told.counts.shared) == (4, 3)
    assert system.fates() == {"stored": 9}
    numbers = [number for (number,) in system.ask("select distinct case_no from service")]
    assert len(numbers) == 5
    assert sorted(number.startswith(OWN_CASE_PREFIX) for number in numbers) == [False, True, True, True, True]
    assert "MX1" in numbers
    assert system.counters("services", "matched_late", "standalone", "conflicts") == {
        "services": 5,
        "matched_late": 1,
        "standalone": 3,
    }
    assert system.ask("select case_no from review where case_no <> ''") == [("MX1",)]


def test_a_departments_own_workbook_reaches_the_ledger(system: System, tmp_path: Path) -> None:
    system.settings.stack.data_dir = system.folder
    file = department_workbook(tmp_path / "办件.xlsx")
    with system.worker():
        for again in (False, True):
            report = import_cases(system.settings, "department-excel", file, again=again)
            assert (report.rows, report.published, report.counts.unmapped) == (6, 3, 3)
        system.wait_until_caught_up()
    assert system.fates() == {"stored": 3, "duplicate": 3}
    assert system.ask("select case_no, service_no from service order by served_at, case_no") == [
        (GOOD[1], 2),
        (GOOD[0], 1),
        (GOOD[2], 1),
    ]


def test_the_pass_rate_of_the_county_is_the_one_that_the_import_prints(
    system: System, tmp_path: Path
) -> None:
    system.settings.stack.data_dir = system.folder
    good = [PROVINCE | {"projectNo": f"G{n}"} for n in range(3)]
    told_twice = [PROVINCE | {"projectNo": "T", "taskName": name} for name in ("迁入", "迁出")]
    late = PROVINCE | {"projectNo": "L", "serviceTime": "2026-11-04 09:00:00"}
    unclear = PROVINCE | {"projectNo": "U", "promiseTime": "3"}
    lines = [*good, *told_twice, late, unclear]
    with system.worker():
        reports = [
            import_cases(system.settings, "province-cases", written(tmp_path / f"{n}.csv", cases))
            for n, cases in enumerate((lines, lines[::-1]))
        ]
        system.wait_until_caught_up()
    assert [(report.summary.passed, report.summary.cases) for report in reports] == [(3, 7), (3, 7)]
    assert system.counters("cases_passed", "case_records") == {"cases_passed": 3, "case_records": 7}
    assert system.fates() == {"stored": 7, "duplicate": 7}


def test_a_watched_folder_whose_watcher_is_killed_loses_no_row(system: System, tmp_path: Path) -> None:
    system.settings.stack.data_dir = system.folder
    folder, whole = tmp_path / "in", permit_file(tmp_path).read_bytes()
    folder.mkdir()
    with system.worker():
        with watching(system, folder):
            (folder / "permits.csv").write_bytes(whole)
            wait_for(partial(has_begun, system), 60, "the first rows to be acknowledged")
        with watching(system, folder) as process:
            (folder / "again.csv").write_bytes(b"\n".join(whole.split(b"\n")[:3]) + b"\n")
            for name in ("permits.csv", "again.csv"):
                wait_for((folder / "done" / name).exists, 120, f"{name} to be done")
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
        system.wait_until_caught_up(120)
    assert system.fates()["stored"] == ROWS == system.one("select count(*)::int from service")


def has_begun(system: System) -> bool:
    places = (system.folder / ".hcp" / "import").glob("*.json")
    return any(standing.rows for place in places if (standing := state.read(place, Standing)))


@contextmanager
def watching(system: System, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The command, until it is killed."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("HCP_")}
    words = [
        "import",
        "watch",
        str(folder),
        "--source",
        "municipal-permit",
        "--every",
        "0.1",
        "--rest",
        "0.2",
    ]
    with (system.folder / "watch.log").open("ab") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "deploy", *words],
            env=env | environment(system.settings),
            cwd=system.folder,
            stdout=out,
            stderr=out,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait(20)
