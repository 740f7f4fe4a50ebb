"""A paper form as it is keyed: the columns of its sheet, what each cell may say, and the review that it makes."""

import re
from datetime import datetime, time
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from producers.errors import Unmapped
from producers.imports.field import ISO, Source, Times
from schemas.codes import SATISFACTION, reason_codes
from schemas.normalizing import nfkc

FORM, SCAN, LEVEL, COMMENT, SUBMITTED = "表单编号", "扫描件编号", "满意度", "意见", "评价日期"
DEPT, HALL, WINDOW = "部门", "大厅", "窗口"
REASONS = tuple(f"原因{place}" for place in range(1, 9))
"""A form shows the eight tags of a level, and all of them may be ticked."""
REASON = "原因"
PREFILLED = (FORM, DEPT, HALL, WINDOW)
PERSONAL = {"姓名": "name", "电话": "phone", "身份证号": "id_number"}
NOON = time(12)
"""A form says the day. Noon is never more than half a day wrong."""
_DATES = ("%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y/%m/%d %H:%M", "%Y/%m/%d", "%Y.%m.%d", "%Y年%m月%d日", "%Y%m%d")
_MOST_COMPARED = 4_000
"""Characters, twice a comment's; to normalise a very long text takes minutes."""
_PUNCTUATION = re.compile(r"[\W_]+")


def _listed(labels: dict[str, str]) -> dict[str, str]:
    """A cell may say code and text, as the drop-down does, or one of them."""
    both = {f"{code} {text}": code for code, text in labels.items()}
    return both | {text: code for code, text in labels.items()} | {code: code for code in labels}


LEVELS = {str(level): text for level, text in SATISFACTION.items()}
TAGS = {tag.code: tag.text for tag in reason_codes().values() if not tag.retired}
_REASON_CODES = _listed({tag.code: tag.text for tag in reason_codes().values()}) | _listed(TAGS)
_FIELDS: dict[str, tuple[str, Source]] = {
    DEPT: ("dept_code", Source(column=DEPT, departments=True)),
    HALL: ("hall_code", Source(column=HALL)),
    WINDOW: ("window_code", Source(column=WINDOW)),
    "工作人员工号": ("staff_id", Source(column="工作人员工号")),
    "办件编号": ("case_no", Source(column="办件编号")),
    "服务次数": ("service_no", Source(column="服务次数")),
    LEVEL: ("satisfaction", Source(column=LEVEL, codes=_listed(LEVELS))),
    COMMENT: ("comment", Source(column=COMMENT)),
    SUBMITTED: (
        "submitted_at",
        Source(column=SUBMITTED, times=Times(formats=[*_DATES, ISO], zone=ZoneInfo("Asia/Shanghai"))),
    ),
    SCAN: ("scan_ref", Source(column=SCAN)),
}
_REASON_FIELDS = tuple(Source(column=column, codes=_REASON_CODES) for column in REASONS)
_REQUIRED = (LEVEL, SUBMITTED, SCAN)
COLUMNS = (
    FORM, DEPT, HALL, WINDOW, "工作人员工号", "办件编号", "服务次数", LEVEL, *REASONS, COMMENT, SUBMITTED, *PERSONAL, SCAN,
)  # fmt: skip
COLUMN_OF = {field: column for column, (field, _) in _FIELDS.items()} | {"reason_codes": REASON}
"""Field of the review → the column that it is from."""


class Wrong(NamedTuple):
    """A cell that says nothing that a form can say."""

    column: str
    message: str


class Answers(NamedTuple):
    """What a form says, by column, in one way of writing it; and what is wrong with its cells."""

    values: dict[str, Any]
    wrong: list[Wrong]

    def body(self) -> dict[str, Any]:
        """The fields of the review, as far as the form says them."""
        said = {
            name: self.values[column] for column, (name, _) in _FIELDS.items() if self.values[column] != ""
        }
        identity = {name: self.values[column] for column, name in PERSONAL.items() if self.values[column]}
        named = {"reviewer": identity, "real_name": True} if identity else {}
        return said | named | {"reason_codes": self.values[REASON], "channel": "paper"}


def is_unused(cells: dict[str, str]) -> bool:
    """Whether nobody wrote on it: only what the template filled in stands there."""
    return not any(cells.get(column, "").strip() for column in COLUMNS if column not in PREFILLED)


def answers(cells: dict[str, str]) -> Answers:
    """What this row of the sheet says."""
    wrong: list[Wrong] = []
    values = {column: _read(source, cells, wrong) for column, (_, source) in _FIELDS.items()}
    values |= {column: _read(Source(column=column), cells, wrong) for column in PERSONAL}
    tags = [_read(source, cells, wrong) for source in _REASON_FIELDS]
    values[REASON] = sorted({tag for tag in tags if tag})
    wrong += [Wrong(column, "不能为空") for column in _REQUIRED if not cells.get(column, "").strip()]
    for column in ("服务次数", LEVEL, SUBMITTED):
        values[column] = values[column] and _narrowed(column, values[column], wrong)
    return Answers(values, wrong)


def alike(column: str, one: Any, other: Any) -> bool:
    """Whether two people keyed the same: spaces and full width count for nothing, in free text punctuation neither."""
    if one != other and isinstance(one, str) and isinstance(other, str):
        if max(len(one), len(other)) > _MOST_COMPARED:
            return False
        return _bare(column, one) == _bare(column, other)
    return bool(one == other)


def _read(source: Source, cells: dict[str, str], wrong: list[Wrong]) -> Any:
    try:
        return source.read(cells, 1) or ""
    except Unmapped as unmapped:
        wrong.append(Wrong(unmapped.column, unmapped.message))
        return ""


def _narrowed(column: str, value: Any, wrong: list[Wrong]) -> Any:
    if isinstance(value, datetime):
        return datetime.combine(value.date(), NOON, value.tzinfo) if value.time() == time() else value
    try:
        return int(value)
    except ValueError:
        wrong.append(Wrong(column, "不是整数"))
        return ""


def _bare(column: str, text: str) -> str:
    plain = nfkc(text)
    return _PUNCTUATION.sub("", plain) if column == COMMENT else "".join(plain.split())
