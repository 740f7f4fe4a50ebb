"""Keying paper forms into the template, as a person would."""

from pathlib import Path
from typing import Any

from openpyxl import load_workbook

from producers.imports.paper.form import COLUMNS
from producers.imports.paper.template import BATCH_SHEET, FORMS_SHEET, Issue, write_template

BATCH = "P20261102-TEST2"
ISSUE = Issue("H-610326", "县公安局", ["A03"], 6, BATCH)
LINE = {"满意度": "5 非常满意", "评价日期": "2026-11-02", "扫描件编号": "S1"}
KEYED_BY, RETURNED, BAD = "B7", "B5", "B6"
Lines = dict[int, dict[str, Any]]


def keying(
    folder: Path,
    name: str,
    lines: Lines,
    returned: int | None = None,
    bad: int | None = None,
    issue: Issue = ISSUE,
) -> Path:
    """A workbook keyed by the person of this name; `lines` by the number of the form, from 1."""
    path = folder / f"{name}.xlsx"
    path.unlink(missing_ok=True)
    write_template(issue, path)
    book = load_workbook(path)
    for number, cells in lines.items():
        for column, cell in cells.items():
            book[FORMS_SHEET].cell(number + 1, COLUMNS.index(column) + 1, cell)
    sheet = book[BATCH_SHEET]
    sheet[RETURNED] = len(lines) if returned is None else returned
    sheet[BAD], sheet[KEYED_BY] = bad, name
    book.save(path)
    return path


def line(**cells: Any) -> dict[str, Any]:
    """A form that is filled in."""
    return LINE | cells
