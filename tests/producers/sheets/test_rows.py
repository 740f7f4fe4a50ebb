"""Sheets as departments save them: encodings, delimiters, workbooks, and what is no sheet."""

import zipfile
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import Workbook

from producers.errors import CannotImportError
from producers.sheets import rows as reading
from producers.sheets.rows import SURPLUS
from producers.sheets.sheet_file import opened

EXPECTED = [(2, {"编号": "A1", "事项": "户籍、迁移"}), (3, {"编号": "A2", "事项": "换行\n在内"})]


def rows(path: Path, sheet: str | None = None) -> list[tuple[int, dict[str, str]]]:
    with opened(path) as file:
        return list(reading.rows(file, sheet))


def count(path: Path) -> int:
    with opened(path) as file:
        return reading.count(file)


def csv_file(folder: Path, text: str, encoding: str = "utf-8", name: str = "cases.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return path


def workbook(folder: Path, *sheets: list[list[Any]]) -> Path:
    book = Workbook()
    book.remove(book.worksheets[0])
    for number, lines in enumerate(sheets, start=1):
        sheet = book.create_sheet(f"表{number}")
        for line in lines:
            sheet.append(line)
    book.save(folder / "cases.xlsx")
    return folder / "cases.xlsx"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_csv(tmp_path: Path, encoding: str, mark: str) -> None:
    text = f'编号{mark}事项\r\nA1{mark}户籍、迁移\r\nA2{mark}"换行\n在内"\r\n'
    path = csv_file(tmp_path, text, encoding)
    assert rows(path) == EXPECTED
    assert count(path) == 2


def test_xlsx(tmp_path: Path) -> None:
    lines: list[list[Any]] = [
        ["编号", "数", "时间", "日", "是"],
        ["A1", 3.0, datetime(2026, 11, 2, 9, 30), date(2026, 11, 2), True],
        [7, 2.5],
    ]
    path = workbook(tmp_path, lines, [])
    assert [tuple(row.values()) for _, row in rows(path)] == [
        ("A1", "3", "2026-11-02T09:30:00", "2026-11-02T00:00:00", "TRUE"),
        ("7", "2.5", "", "", ""),
    ]
    assert count(path) == 2


def test_a_number_that_excel_has_rounded_looks_so(tmp_path: Path) -> None:
    path = workbook(tmp_path, [["编号"], [610326202611020017], [999999999999999]])
    assert [row["编号"] for _, row in rows(path)] == ["6.10326202611020E+17", "999999999999999"]


def test_blank_rows_are_no_rows_and_do_not_change_the_numbers_of_others(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "a,b\n1,2\n\n , \n3,4\n,\n")
    assert [number for number, _ in rows(path)] == [2, 5]
    assert [number for number, _ in rows(workbook(tmp_path, [["a"], [1], [], [2]]))] == [2, 4]


def test_rows_that_are_too_short_or_too_long(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "a,b\n1\n1,2,,3\n1,2,,\n")
    assert [row for _, row in rows(path)] == [
        {"a": "1", "b": ""},
        {"a": "1", "b": "2", SURPLUS: "3"},
        {"a": "1", "b": "2"},
    ]


def test_a_column_without_a_heading_gets_one(tmp_path: Path) -> None:
    assert rows(csv_file(tmp_path, "a,,b,,\n1,2,3,,\n")) == [(2, {"a": "1", "column 2": "2", "b": "3"})]


WRONG = [
    ("", "has no header"),
    ("\n1,2\n", "has no header"),
    (",,\n1,2,3\n", "has no header"),
    ("a,b\n", "no rows"),
    ("a,b\n,\n", "no rows"),
    ("a,b, a\n1,2,3\n", "more than one column a"),
    ('a,b\n1,"2\n3,4\n', "quotation mark"),
    ("a,b\n1,\0\n", "neither in UTF-8 nor in GB18030"),
]


@pytest.mark.parametrize(("text", "said"), WRONG)
def test_what_is_no_csv(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(CannotImportError, match=said):
        count(csv_file(tmp_path, text))


def test_an_open_quotation_mark_is_told_with_the_line_where_its_row_begins(tmp_path: Path) -> None:
    lines = ["a,b", '1,"in\n two"', '2,"open', *["3,4"] * 50]
    with pytest.raises(CannotImportError, match=r"row that begins at line 4 .*第 4 行起引号没有成对"):
        count(csv_file(tmp_path, "\n".join(lines)))


def test_other_encodings_and_kinds(tmp_path: Path) -> None:
    with pytest.raises(CannotImportError, match="UTF-8"):
        count(csv_file(tmp_path, "编号,b\n1,2\n", "utf-16"))
    with pytest.raises(CannotImportError, match=r"neither \.csv nor \.xlsx"):
        count(csv_file(tmp_path, "a\n1\n", name="cases.xls"))
    with pytest.raises(CannotImportError, match="no XLSX workbook"):
        count(csv_file(tmp_path, "a\n1\n", name="cases.xlsx"))


def test_workbooks_that_are_wrong(tmp_path: Path) -> None:
    with pytest.raises(CannotImportError, match="has no header"):
        count(workbook(tmp_path, []))
    with pytest.raises(CannotImportError, match="no rows"):
        count(workbook(tmp_path, [["a"]]))
    with pytest.raises(CannotImportError, match="more than one sheet \\(表1, 表2\\)"):
        count(workbook(tmp_path, [["a"], [1]], [["b"], [2]]))


def test_a_workbook_that_states_a_wrong_size_is_read_whole(tmp_path: Path) -> None:
    path = workbook(tmp_path, [["a", "b"], [1, 2], [3, 4]])
    with zipfile.ZipFile(path) as whole:
        parts = {name: whole.read(name) for name in whole.namelist()}
    with zipfile.ZipFile(path, "w") as lying:
        for name, part in parts.items():
            lying.writestr(name, part.replace(b'ref="A1:B3"', b'ref="A1"'))
    assert [tuple(row.values()) for _, row in rows(path)] == [("1", "2"), ("3", "4")]
    assert count(path) == 2


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_damaged_workbook_is_refused_or_read_and_never_a_defect_of_ours(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = workbook(tmp_path_factory.mktemp("damage"), [["a", "b"], [1, "x"], ["y", datetime(2026, 11, 2)]])
    whole = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        whole[data.draw(st.integers(0, 99_999)) % len(whole)] = data.draw(st.integers(0, 255))
    path.write_bytes(whole[: len(whole) // data.draw(st.integers(1, 2))])
    read_or_refused(path)


@settings(max_examples=150, deadline=None)
@given(part=st.sampled_from(["xl/worksheets/sheet1.xml", "xl/workbook.xml", "xl/styles.xml"]), data=st.data())
def test_a_workbook_of_nonsense_is_refused_or_read(
    tmp_path_factory: pytest.TempPathFactory, part: str, data: st.DataObject
) -> None:
    path = workbook(tmp_path_factory.mktemp("nonsense"), [["a", "b"], [1, "x"], ["y", 2.5]])
    with zipfile.ZipFile(path) as whole:
        parts = {name: bytearray(whole.read(name)) for name in whole.namelist()}
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, 99_999)) % len(parts[part])
        parts[part][place] = data.draw(st.sampled_from(b'<>/"abc019&='))
    with zipfile.ZipFile(path, "w") as changed:
        for name, content in parts.items():
            changed.writestr(name, bytes(content))
    read_or_refused(path)


def read_or_refused(path: Path) -> None:
    try:
        count(path)
        rows(path)
    except CannotImportError as error:
        assert path.name in str(error)


def test_a_disk_that_fails_is_not_taken_for_a_bad_workbook(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        count(tmp_path / "absent.xlsx")


def test_one_sheet_by_name(tmp_path: Path) -> None:
    path = workbook(tmp_path, [["a"], [1]], [["b"], [2]])
    assert rows(path, "表2") == [(2, {"b": "2"})]
    with pytest.raises(CannotImportError, match="no sheet 表3"):
        rows(path, "表3")
