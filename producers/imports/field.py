"""One field of a mapping: how a cell of a row becomes a value of an event."""

import re
from datetime import datetime
from functools import cache
from typing import Self
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, model_validator

from producers.errors import Unmapped
from schemas.catalogue import department_names

ISO = "iso"
_ROUNDED = re.compile(r"[0-9](\.[0-9]+)?E\+[0-9]+", re.IGNORECASE)
"""How Excel writes a number of more than 15 digits: the rest of its digits is lost."""
_CODE = re.compile(r"[0-9A-Z]{18}")
_SERIAL = re.compile(r"[1-9][0-9]{4}(\.[0-9]+)?")
"""A date as Excel counts it, in days; one sees it where the column is not set to a date."""
_BROKEN = re.compile(r"#(N/A|REF!|VALUE!|NAME\?|DIV/0!|NUM!|NULL!)")
"""What Excel shows for a formula that has come to nothing. As a case number it would be one number for many."""
_EXAMPLE = datetime(2026, 11, 2, 9, 30)  # noqa: DTZ001  # written without a zone, as officers do
_MOST_TOLD, _EXAMPLES = 12, 5
"""Of more codes than so many, a message names the first few: the reasons on paper would fill a page."""
_UNSEPARATED = re.compile(r"(%[A-Za-z])+")


_DATE_NUMBER = "这是表格软件内部的日期数字，请把这一列设为日期格式"


class _Unlisted(ValueError):
    """A cell that does not fit the pattern, or is not among the codes: what a default is for."""


class Strict(BaseModel):
    """A part of a mapping: numbers in the YAML are text, unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)


class Times(Strict):
    """How a time is written: the first of `formats` that fits (`iso`, or strptime's). Without an offset it is of `zone`."""

    formats: list[str] = Field(min_length=1)
    zone: ZoneInfo | None = None

    def read(self, text: str) -> datetime:
        """The aware time. ValueError, in Chinese, if no format fits or nobody says of which zone it is."""
        for form in self.formats:
            try:
                time = _parse(text, form)
            except ValueError:
                continue
            return self._aware(time)
        raise ValueError(
            _DATE_NUMBER if _SERIAL.fullmatch(text) else f"时间格式不对，请写成 {self._example()}"
        )

    def _example(self) -> str:
        if self.formats[0] == ISO:
            return _EXAMPLE.isoformat(" ") if self.zone else f"{_EXAMPLE.isoformat()}+08:00"
        return _EXAMPLE.strftime(self.formats[0])

    def _aware(self, time: datetime) -> datetime:
        if time.tzinfo is not None:
            return time
        if self.zone is None:
            raise ValueError("时间没有时区，映射也没有规定时区")
        return time.replace(tzinfo=self.zone)


class Source(Strict):
    """Where one field comes from: a `column`, a constant `value`, or the row's place among those of its case (`ordinal`).

    A cell goes through `pattern` (group 1 is taken), then `codes`, `departments` or `times`. `default` is for a cell
    that is empty, does not fit the pattern or is not among the codes; it is taken as it is.
    """

    column: str | None = None
    value: str | None = None
    ordinal: bool = False
    pattern: re.Pattern[str] | None = None
    codes: dict[str, str] | None = None
    departments: bool = False
    times: Times | None = None
    default: str | None = None

    @model_validator(mode="after")
    def _says_where_from(self) -> Self:
        if (self.column is not None) + (self.value is not None) + self.ordinal != 1:
            raise ValueError("say exactly one of column, value and ordinal: true")
        translations = {"pattern", "codes", "departments", "times", "default"}
        idle = sorted(translations & self.model_fields_set)
        if self.column is None and idle:
            raise ValueError(f"{' and '.join(idle)} need a column")
        if bool(self.codes) + self.departments + bool(self.times) > 1:
            raise ValueError("say at most one of codes, departments and times")
        if self.pattern is not None and not self.pattern.groups:
            raise ValueError("the pattern has no group: put what is to be taken in brackets")
        return self

    @property
    def constants(self) -> set[str]:
        """Every value that the mapping itself names."""
        return {*(self.codes or {}).values()} | {
            text for text in (self.value, self.default) if text is not None
        }

    def read(self, row: dict[str, str], ordinal: int) -> str | int | datetime | None:
        """The value; None if the cell is empty and has no default. Raises Unmapped."""
        if self.ordinal:
            return ordinal
        if self.column is None:
            return self.value
        cell = row.get(self.column)
        if cell is None:
            raise Unmapped(self.column, "表中没有这一列")
        text = cell.strip()
        return self._translate(text) if text else self.default

    def _translate(self, text: str) -> str | datetime:
        try:
            return self._value(text)
        except ValueError as error:
            if self.default is not None and isinstance(error, _Unlisted):
                return self.default
            raise Unmapped(self.column or "", str(error)) from None

    def _value(self, text: str) -> str | datetime:
        if _ROUNDED.fullmatch(text):
            raise ValueError("表格软件已把长数字四舍五入，请把这一列设为文本后重新填写")
        if _BROKEN.fullmatch(text):
            raise ValueError("这一格的公式出错，请改为直接填写内容")
        if self.pattern is not None:
            text = _taken(self.pattern, text)
        if self.times is not None:
            return self.times.read(text)
        if self.departments:
            return _department(text)
        return text if self.codes is None else _listed(self.codes, text)


def _parse(text: str, form: str) -> datetime:
    if form == ISO:
        return datetime.fromisoformat(text)
    time = datetime.strptime(text, form)  # noqa: DTZ007  # whether it is naive is looked at afterwards
    if _UNSEPARATED.fullmatch(form) and time.strftime(form) != text:
        raise ValueError(form)  # strptime reads 202611021230 as 12:03:00
    return time


def _taken(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    if found is None or not found[1]:
        raise _Unlisted("内容不符合规定的格式")
    return found[1]


def _listed(codes: dict[str, str], text: str) -> str:
    if text not in codes:
        few = len(codes) <= _MOST_TOLD
        told = f"只能是：{'、'.join(codes)}" if few else f"可以填：{'、'.join([*codes][:_EXAMPLES])} 等"
        raise _Unlisted(f"不是规定的取值，{told}")
    return codes[text]


def _department(text: str) -> str:
    """A code is kept even with a wrong check digit: the inspection rules judge it."""
    code = _department_codes().get(text, text)
    if code not in department_names() and not _CODE.fullmatch(code):
        raise ValueError("没有这个部门：请填部门全称或 18 位统一社会信用代码")
    return code


@cache
def _department_codes() -> dict[str, str]:
    return {name: code for code, name in department_names().items()}
