"""What a department keyed in Excel, through a whole import: three rows arrive, three are told by row and column."""

import csv
from datetime import UTC, datetime
from pathlib import Path

import pytest
from openpyxl import load_workbook

from producers.errors import CannotImportError
from schemas.codes import HandlingMode
from tests.producers.imports.test_cases import Log, fates, run
from tests.producers.imports.workbooks import GOOD, POLICE, department_workbook


@pytest.mark.parametrize("mac", [False, True])
def test_excels_dates_and_numbers_arrive_as_they_are_seen(tmp_path: Path, mac: bool) -> None:
    log = Log()
    report = run(tmp_path, department_workbook(tmp_path / "办件.xlsx", mac=mac), log)
    assert fates(report) == (6, 3, 0, 0, 3)
    events = [event for event, _ in log.kept]
    assert tuple(event.case_no for event in events) == GOOD
    first, second, last = events
    assert (first.service_no, second.service_no) == (1, 2)
    assert {event.served_at for event in events} == {datetime(2026, 11, 2, 1, 30, tzinfo=UTC)}
    assert (first.accepted_at, last.accepted_at) == (first.served_at, None)
    assert {(event.dept_code, event.staff_id, event.handling_mode) for event in events} == {
        (POLICE.code, "17", HandlingMode.OFFLINE)
    }


def test_what_is_wrong_is_told_with_the_row_that_excel_shows(tmp_path: Path) -> None:
    report = run(tmp_path, department_workbook(tmp_path / "办件.xlsx"), Log(), dry_run=True)
    assert report.errors is not None
    errors = list(csv.DictReader(report.errors.read_text(encoding="utf-8-sig").splitlines()))
    assert [(row["行号"], row["列"], row["问题"]) for row in errors] == [
        ("5", "办件编号", "表格软件已把长数字四舍五入，请把这一列设为文本后重新填写"),
        ("6", "受理时间", "时间格式不对，请写成 2026-11-02 09:30:00"),
        ("7", "部门", "不能为空"),
    ]
    assert errors[1]["办件编号"] == "610326-4"


def test_a_sheet_of_drop_downs_is_passed_over_while_it_is_hidden(tmp_path: Path) -> None:
    path = department_workbook(tmp_path / "办件.xlsx")
    book = load_workbook(path)
    book["选项"].sheet_state = "visible"
    book.save(path)
    with pytest.raises(CannotImportError, match=r"more than one sheet \(办件, 选项\)"):
        run(tmp_path, path, Log())


def test_a_title_above_the_header_is_told(tmp_path: Path) -> None:
    path = department_workbook(tmp_path / "办件.xlsx")
    book = load_workbook(path)
    book["办件"].insert_rows(1)
    book["办件"]["A1"] = "眉县公安局办件登记表"
    book["办件"].merge_cells("A1:L1")
    book.save(path)
    with pytest.raises(CannotImportError, match=r"there is no column 办件编号.*第一行必须是表头"):
        run(tmp_path, path, Log())


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("#N/A", "这一格的公式出错"),
        ("46328.395833", "内部的日期数字"),
        ("2026年", "请写成 2026-11-02 09:30:00"),
    ],
)
def test_what_excel_leaves_in_a_cell_is_told_with_what_to_do(tmp_path: Path, cell: str, said: str) -> None:
    path = department_workbook(tmp_path / "办件.xlsx")
    book = load_workbook(path)
    book["办件"]["H2"] = cell
    book.save(path)
    report = run(tmp_path, path, Log(), dry_run=True)
    assert report.errors is not None
    first = next(csv.DictReader(report.errors.read_text(encoding="utf-8-sig").splitlines()))
    assert (first["行号"], first["列"]) == ("2", "办理时间")
    assert said in first["问题"]
