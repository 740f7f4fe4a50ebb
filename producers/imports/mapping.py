"""Mappings: how the rows of one source become case events. Data, in `producers/imports/sources/<name>.yaml`."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cached_property
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Self

import msgspec
import yaml
from pydantic import ValidationError, model_validator

from producers.errors import CannotImportError, Unmapped
from producers.imports.field import Source, Strict
from producers.imports.rows import SURPLUS
from schemas.codes import HandlingMode, Status
from schemas.events import CaseEvent, Reason
from schemas.identifiers import derived_id
from schemas.reading import Invalid, read

UNMOVED = timedelta()
_OURS = frozenset({"event_id", "received_at", "source"})
"""Fields that the importer itself sets."""
_STRUCT = [field for field in msgspec.structs.fields(CaseEvent) if field.name not in _OURS]
FIELDS = tuple(field.name for field in _STRUCT)
_REQUIRED = tuple(field.name for field in _STRUCT if field.required)
_TIMES = frozenset({"served_at", "accepted_at"})
_TABLES: dict[str, type[StrEnum]] = {"status": Status, "handling_mode": HandlingMode}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SAID = {
    Reason.MISSING_FIELD: "不能为空",
    Reason.OUT_OF_RANGE: "内容超出允许的长度或范围",
    Reason.UNKNOWN_VALUE: "不是规定的取值",
    Reason.WRONG_TYPE: "格式不对",
    Reason.TIME_OUT_OF_RANGE: "时间早于 2000 年，或比现在晚一天以上",
    Reason.TOO_LARGE: "这一行太长",
}
"""Why the contract's reader refuses an event, for the officer who keyed the row."""


class Mapping(Strict):
    """A source: `about` in one line, where it is from (`origin`), and where each field of a case event comes from."""

    name: str
    about: str
    origin: str = ""
    fields: dict[str, Source]

    @model_validator(mode="after")
    def _knows_its_fields(self) -> Self:
        if unknown := sorted(self.fields.keys() - set(FIELDS)):
            raise ValueError(f"fields: {', '.join(unknown)} unknown; known are {', '.join(FIELDS)}")
        if missing := [name for name in _REQUIRED if name not in self.fields]:
            raise ValueError(f"fields: {', '.join(missing)} missing, and a case needs it")
        for name, source in self.fields.items():
            _check(name, source)
        return self

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Every column that is read, each once, in an order that does not depend on the YAML's."""
        named = (self.fields[name].column for name in FIELDS if name in self.fields)
        return tuple(dict.fromkeys(column for column in named if column is not None))

    def check_columns(self, there: Iterable[str]) -> None:
        """Raises CannotImportError if the sheet has not all columns that are read."""
        present = set(there)
        if lacking := [column for column in self.columns if column not in present]:
            raise CannotImportError(
                f"the file has no column {', '.join(lacking)}, and the mapping {self.name} reads it; "
                f"its header says: {', '.join(name for name in there if name)}"
            )

    def numbered(
        self, rows: Iterable[tuple[int, dict[str, str]]]
    ) -> Iterator[tuple[int, dict[str, str], int]]:
        """Each row with its number and its ordinal: the how-manieth row of its case in the file it is."""
        seen: Counter[str] = Counter()
        for number, row in rows:
            case_no = self._case_no(row)
            seen[case_no] += 1
            yield number, row, seen[case_no]

    def read(
        self,
        row: dict[str, str],
        ordinal: int,
        received_at: datetime | None = None,
        shift: timedelta = UNMOVED,
    ) -> CaseEvent:
        """The event of a row, its times moved by `shift`, valid by the contract. Raises Unmapped. Pure, but for the clock.

        `received_at`: when our importer first held the row; None is now. The id comes from the cells as they are, so
        the same row in any file, and moved by any shift, is the same event.
        """
        if SURPLUS in row:
            raise Unmapped("", "这一行的单元格比表头多，内容可能错位")
        received_at = received_at or datetime.now(UTC)
        body = self._body(row, ordinal, shift)
        cells = (row[column] for column in self.columns)
        body["event_id"] = str(derived_id("import", self.name, body.get("service_no", 1), *cells))
        body |= {"received_at": received_at, "source": self.name}
        try:
            return read(CaseEvent, msgspec.json.encode(body), received_at).event
        except Invalid as invalid:
            raise self._unmapped(invalid) from None

    def served_at(self, row: dict[str, str]) -> datetime:
        """When the row says that the service was given. Raises Unmapped."""
        source = self.fields["served_at"]
        time = source.read(row, 1)
        if not isinstance(time, datetime):
            raise Unmapped(source.column or "", _SAID[Reason.MISSING_FIELD])
        return time

    def _case_no(self, row: dict[str, str]) -> str:
        try:
            return str(self.fields["case_no"].read(row, 1) or "")
        except Unmapped:
            return ""  # the row will be refused, whichever it is

    def _body(self, row: dict[str, str], ordinal: int, shift: timedelta) -> dict[str, Any]:
        body: dict[str, Any] = {}
        for name, source in self.fields.items():
            value = source.read(row, ordinal)
            if value is not None:
                try:
                    body[name] = _typed(name, value, shift)
                except (ValueError, OverflowError) as error:
                    raise Unmapped(source.column or "", str(error)) from None
        return body

    def _unmapped(self, invalid: Invalid) -> Unmapped:
        """The reader's message begins with the field's name."""
        field = re.match(r"\w*", invalid.message)
        source = self.fields.get(field[0]) if field else None
        return Unmapped((source and source.column) or "", _SAID.get(invalid.reason, invalid.message))


def known() -> dict[str, Mapping]:
    """The mappings that come with the package, by name."""
    return {name: _parse(name, file) for name, file in sorted(_packaged().items())}


def load(name: str) -> Mapping:
    """The mapping of this name, or the one in a YAML file of one's own. Raises CannotImportError. Reads one file."""
    file = Path(name)
    if file.suffix in {".yaml", ".yml"}:
        return _parse(file.stem, file)
    packaged = _packaged()
    if name not in packaged:
        raise CannotImportError(
            f"no source {name!r}: known are {', '.join(sorted(packaged))}; or name a YAML file of your own"
        )
    return _parse(name, packaged[name])


def _packaged() -> dict[str, Traversable]:
    folder = files("producers.imports") / "sources"
    return {file.name.removesuffix(".yaml"): file for file in folder.iterdir() if file.name.endswith(".yaml")}


def _parse(name: str, file: Traversable) -> Mapping:
    if not _NAME.fullmatch(name):
        raise CannotImportError(
            f"the mapping {name!r} names the source of its events: rename it to letters, digits, - and _"
        )
    try:
        data = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise CannotImportError(f"the mapping {file} cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise CannotImportError(
            f"the mapping {name} is no YAML in UTF-8: {' '.join(str(error).split())}"
        ) from None
    if not isinstance(data, dict) or "name" in data:
        raise CannotImportError(
            f"the mapping {name} must say about, origin and fields; its name is the file's"
        )
    try:
        return Mapping.model_validate({"name": name, **data})
    except ValidationError as error:
        raise CannotImportError(
            f"the mapping {name} is wrong: {'; '.join(map(_sentence, error.errors()))}"
        ) from None


def _sentence(error: Any) -> str:
    place = ".".join(str(part) for part in error["loc"])
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        message = "this key is unknown"
    return f"{place}: {message}" if place else message


def _check(name: str, source: Source) -> None:
    """What a field's source may say depends on the field. Raises ValueError."""
    if (name in _TIMES) != (source.times is not None):
        raise ValueError(f"fields.{name}: times are for {' and '.join(sorted(_TIMES))}, and those need them")
    if name in _TIMES and source.default is not None:
        raise ValueError(f"fields.{name}: a time has no default")
    if source.ordinal and name != "service_no":
        raise ValueError(f"fields.{name}: ordinal is for service_no only")
    if source.departments and name != "dept_code":
        raise ValueError(f"fields.{name}: departments is for dept_code only")
    if name in _TABLES and (wrong := source.constants - set(_TABLES[name])):
        raise ValueError(f"fields.{name}: {', '.join(sorted(wrong))} is none of {', '.join(_TABLES[name])}")
    if name == "service_no" and not all(text.isdecimal() for text in source.constants):
        raise ValueError("fields.service_no: a whole number is needed")


def _typed(name: str, value: str | int | datetime, shift: timedelta) -> str | int | datetime:
    if isinstance(value, datetime):
        return _moved(value, shift)
    if name == "service_no":
        return _whole(value)
    return value


def _moved(time: datetime, shift: timedelta) -> datetime:
    try:
        return time + shift
    except OverflowError:
        raise ValueError(_SAID[Reason.TIME_OUT_OF_RANGE]) from None


def _whole(value: str | int) -> int:
    try:
        return int(value)
    except ValueError:
        raise ValueError("不是整数") from None
