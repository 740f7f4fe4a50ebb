"""The workbook that forms are keyed into: numbered rows, drop-downs, department and window filled in."""

import re
import secrets
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import NamedTuple

from openpyxl import Workbook
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter
from openpyxl.workbook.defined_name import DefinedName
from openpyxl.worksheet.datavalidation import DataValidation
from openpyxl.worksheet.worksheet import Worksheet

from producers.errors import CannotImportError
from producers.imports.paper.form import (
    COLUMNS,
    COMMENT,
    DEPT,
    FORM,
    HALL,
    LEVEL,
    LEVELS,
    REASONS,
    SCAN,
    SUBMITTED,
    TAGS,
    WINDOW,
)
from schemas.catalogue import department_names

FORMS_SHEET, BATCH_SHEET, LISTS_SHEET, HELP_SHEET = "评价表", "批次", "选项", "说明"
BATCH, ISSUED, RETURNED, BAD, KEYED_BY = "批次号", "印发份数", "收回份数", "其中差评份数", "录入人"
MOST_FORMS = 2_000
_ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
BATCH_NUMBER = re.compile(r"P[0-9]{8}-[0-9A-Z]{5}")
"""It names a file of ours, too."""
_HELP = (
    "一、每份纸质评价表对应“评价表”中的一行，请按表单编号录入，不要改动表单编号。",
    "二、收回的评价表由两个人分别录入，各用一个文件，互不参看。两份文件不一致的地方会逐项列出，核对原件后再导入。",
    "三、“批次”页由清点人填写：收回份数、其中差评（不满意、非常不满意）份数；录入人填本人姓名或工号。",
    "四、没有收回的编号留空，不要删除该行。",
    "五、满意度、评价日期、扫描件编号必填。评价日期写作 2026-11-02。",
    "六、办件编号没有就留空。姓名、电话、身份证号由群众自愿填写，没有就留空，入库前加密。",
)
_TINT = PatternFill("solid", fgColor="DDEBF7")
_WIDTHS = {
    FORM: 20,
    DEPT: 18,
    "办件编号": 24,
    LEVEL: 14,
    COMMENT: 40,
    SUBMITTED: 14,
    "身份证号": 22,
    SCAN: 20,
}


class Issue(NamedTuple):
    """What is handed out: `forms` numbered forms for each window, or for the hall if no window is named."""

    hall: str
    dept: str
    windows: Sequence[str]
    forms: int
    batch: str

    def numbered(self) -> list[tuple[str, str]]:
        """Each form's number and its window."""
        windows = [window for window in self.windows or [""] for _ in range(self.forms)]
        width = max(3, len(str(len(windows))))
        return [(f"{self.batch}-{n:0{width}}", window) for n, window in enumerate(windows, start=1)]


def new_batch(day: date) -> str:
    """A batch's number, that no other has."""
    return f"P{day:%Y%m%d}-{''.join(secrets.choice(_ALPHABET) for _ in range(5))}"


def write_template(issue: Issue, file: Path) -> None:
    """Write the workbook. Raises CannotImportError if the file is there, or if the issue makes no sense."""
    if file.suffix != ".xlsx" or file.exists():
        raise CannotImportError(
            f"{file} must end with .xlsx and not be there: somebody may have keyed into it"
        )
    if not 1 <= len(issue.numbered()) <= MOST_FORMS:
        raise CannotImportError(f"a batch has 1 to {MOST_FORMS:,} forms")
    if issue.dept and issue.dept not in department_names().values():
        raise CannotImportError("--dept: there is no such department in the catalogue")
    book = Workbook()
    _lists(book, issue)
    _forms(book.worksheets[0], issue)
    _batch(book.create_sheet(BATCH_SHEET, 1), issue)
    _help(book.create_sheet(HELP_SHEET, 2))
    book.save(file)


def _forms(sheet: Worksheet, issue: Issue) -> None:
    sheet.title = FORMS_SHEET
    sheet.append(COLUMNS)
    for number, window in issue.numbered():
        filled = {FORM: number, DEPT: issue.dept, HALL: issue.hall, WINDOW: window}
        sheet.append([filled.get(column) or None for column in COLUMNS])
    for place, column in enumerate(COLUMNS, start=1):
        letter = get_column_letter(place)
        sheet.column_dimensions[letter].width = _WIDTHS.get(column, 12)
        for cell in sheet[letter]:
            cell.number_format = "@"  # text: Excel would round a long number, and lose a leading zero
    _head(sheet)
    sheet.freeze_panes = "B2"
    for validation in _validations(len(issue.numbered()) + 1, bool(issue.windows)):
        sheet.add_data_validation(validation)


def _validations(last: int, windows: bool) -> list[DataValidation]:
    level = get_column_letter(COLUMNS.index(LEVEL) + 1)
    tags = DataValidation("list", formula1=f'INDIRECT("reasons_"&LEFT(${level}2,1))', allow_blank=True)
    tags.add(f"{_cell(REASONS[0])}2:{_cell(REASONS[-1])}{last}")
    tags.promptTitle, tags.prompt = "原因", "先选满意度，再选该档的原因"
    levels = DataValidation("list", formula1="levels", allow_blank=True, showErrorMessage=True)
    levels.errorTitle, levels.error = "满意度", "请从下拉列表中选择"
    levels.add(f"{level}2:{level}{last}")
    choice = DataValidation("list", formula1="windows", allow_blank=True)
    choice.add(f"{_cell(WINDOW)}2:{_cell(WINDOW)}{last}")
    return [levels, tags, *([choice] if windows else [])]


def _cell(column: str) -> str:
    return get_column_letter(COLUMNS.index(column) + 1)


def _lists(book: Workbook, issue: Issue) -> None:
    """The drop-downs' entries, on a sheet that is not shown; a list in the cell itself may have 255 characters only."""
    sheet = book.create_sheet(LISTS_SHEET)
    sheet.sheet_state = "hidden"
    entries = {"levels": [f"{code} {text}" for code, text in LEVELS.items()], "windows": [*issue.windows]}
    for level in LEVELS:
        entries[f"reasons_{level}"] = [f"{code} {text}" for code, text in TAGS.items() if code[0] == level]
    for place, (name, lines) in enumerate(entries.items(), start=1):
        letter = get_column_letter(place)
        for row, line in enumerate(lines, start=1):
            sheet.cell(row, place, line)
        area = f"'{LISTS_SHEET}'!${letter}$1:${letter}${max(1, len(lines))}"
        book.defined_names[name] = DefinedName(name, attr_text=area)


def _batch(sheet: Worksheet, issue: Issue) -> None:
    sheet.append(["项目", "内容"])
    for line in (
        [BATCH, issue.batch],
        [HALL, issue.hall],
        [ISSUED, len(issue.numbered())],
        [RETURNED],
        [BAD],
        [KEYED_BY],
    ):
        sheet.append(line)
    count = DataValidation("whole", operator="greaterThanOrEqual", formula1="0", showErrorMessage=True)
    count.errorTitle, count.error = "份数", "请填整数"
    count.add("B5:B6")
    sheet.add_data_validation(count)
    sheet.column_dimensions["A"].width, sheet.column_dimensions["B"].width = 18, 28
    _head(sheet)


def _help(sheet: Worksheet) -> None:
    sheet.column_dimensions["A"].width = 100
    for line in _HELP:
        sheet.append([line])
        sheet.cell(sheet.max_row, 1).alignment = Alignment(wrap_text=True, vertical="top")


def _head(sheet: Worksheet) -> None:
    for cell in sheet[1]:
        cell.font, cell.fill = Font(bold=True), _TINT
