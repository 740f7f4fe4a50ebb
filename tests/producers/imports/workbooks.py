"""A department's own workbook: keyed in Excel, with dates, numbers, gaps, merged cells and a sheet of drop-downs."""

from datetime import datetime
from pathlib import Path
from typing import Any

from openpyxl import Workbook
from openpyxl.utils.datetime import CALENDAR_MAC_1904
from openpyxl.worksheet.worksheet import Worksheet

from schemas.catalogue import departments

HEADER = (
    "办件编号", "服务次数", "事项名称", "实施编码", "部门", "办理方式", "受理时间", "办理时间", "窗口", "工作人员", "状态", "备注",
)  # fmt: skip
POLICE = departments()[0]
GOOD = ("610326-1", "20261102002", "610326-6")
"""Case numbers of the rows that are cases, in their order."""


def department_workbook(path: Path, *, mac: bool = False) -> Path:
    """Six rows, with a gap and a merged cell; three are cases (`GOOD`), in rows 2, 3 and 9. `mac`: days count from 1904."""
    book = Workbook()
    if mac:
        book.epoch = CALENDAR_MAC_1904
    sheet = book.worksheets[0]
    sheet.title = "办件"
    sheet.append(HEADER)
    for row, cells in _LINES.items():
        for place, cell in enumerate(cells, start=1):
            sheet.cell(row, place, cell)
    sheet.merge_cells("E6:E7")  # the department stands in row 6 only
    sheet["G3"].number_format = sheet["H3"].number_format = "yyyy/m/d h:mm"
    _drop_downs(book.create_sheet("选项"))
    book.create_sheet("Sheet3")
    book.save(path)
    return path


def _drop_downs(sheet: Worksheet) -> None:
    for word in ("线上", "线下"):
        sheet.append([word])
    sheet.sheet_state = "hidden"


def _line(number: Any, day: Any, **cells: Any) -> list[Any]:
    filled = {
        "办件编号": number,
        "服务次数": 1,
        "事项名称": "身份证补领",
        "实施编码": POLICE.item_code(1),
        "部门": POLICE.name,
        "办理方式": "线下",
        "受理时间": day,
        "办理时间": day,
        "窗口": "A03",
        "工作人员": 17,
        "状态": "办结",
    }
    return [(filled | cells).get(column) for column in HEADER]


_DAY = datetime(2026, 11, 2, 9, 30)  # Excel knows no zones
_LINES = {
    2: _line("610326-1", _DAY, 备注="加急"),
    3: _line(20261102002, _DAY, 服务次数=2.0, 部门=POLICE.code),  # a number that Excel keeps
    5: _line(610326202611020003, _DAY),  # one that it rounds; row 4 is blank
    6: _line("610326-4", "11月2日", 办理时间=_DAY),
    7: _line("610326-5", _DAY, 部门=None),
    9: _line("610326-6", "2026/11/2 9:30", 受理时间=None),
}
