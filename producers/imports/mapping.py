"""A mapping: how the rows of one source become events. Data, in `producers/imports/sources/<name>.yaml`."""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, Self

import msgspec
from pydantic import field_validator, model_validator

from producers.errors import CannotImportError, Unmapped
from producers.imports.field import Source, Strict
from producers.imports.kinds import IDENTITY, TIMES, WHOLE, WORDS, Event, Kind, RowKind, typed
from producers.imports.promise import Promise
from producers.imports.refusal import EMPTY, refusal
from producers.placeholders import is_placeholder, placeholders_of, standalone
from producers.sheets.names import several
from producers.sheets.rows import SURPLUS
from schemas.events import ReviewEvent
from schemas.identifiers import derived_id, own_case_no
from schemas.reading import MOST_ID, Invalid, clean_text, read

UNMOVED = timedelta()
CLAIM = 64
"""Of a number that is none, as much is kept as a number may have."""
Cells = dict[str, str]


class Mapping(Strict):
    """A source: `about` in one line, where it is from (`origin`), what a row is, and where each field of its event is from.

    `placeholders`: case numbers that stand for none, because the sender has them for everybody; bare
    (`producers.placeholders`).
    """

    name: str
    about: str
    origin: str = ""
    rows: RowKind = RowKind.CASE
    fields: dict[str, Source]
    promise: Promise | None = None
    placeholders: frozenset[str] = frozenset()

    @field_validator("placeholders")
    @classmethod
    def _bare(cls, numbers: frozenset[str]) -> frozenset[str]:
        return frozenset(placeholders_of(numbers))

    @model_validator(mode="after")
    def _knows_its_fields(self) -> Self:
        kind = self.rows.kind
        if unknown := sorted(self.fields.keys() - set(kind.fields)):
            raise ValueError(f"fields: {', '.join(unknown)} unknown; known are {', '.join(kind.fields)}")
        if missing := [name for name in kind.required if name not in self.fields]:
            raise ValueError(f"fields: {', '.join(missing)} missing, and a {kind.name} needs it")
        if self.promise and self.rows is not RowKind.CASE:
            raise ValueError("promise: only a case has one")
        for name, source in self.fields.items():
            _check(kind, name, source)
        return self

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Every column that a field is read from, each once, in an order that does not depend on the YAML's."""
        return self._columns_of(self.rows.kind.fields)

    @cached_property
    def wanted(self) -> tuple[str, ...]:
        """Every column that a row must have: those of the fields, and of the promise."""
        return *self.columns, *(self.promise.columns if self.promise else ())

    @cached_property
    def personal(self) -> tuple[str, ...]:
        """The columns with the reviewer's identity: never in a list, never in an id."""
        return self._columns_of(IDENTITY)

    @property
    def counts_rows(self) -> bool:
        """Whether a row's meaning depends on the rows before it."""
        return any(source.ordinal for source in self.fields.values())

    @cached_property
    def _apart(self) -> tuple[str, ...]:
        return self._columns_of(self.rows.kind.apart)

    @cached_property
    def _identifying(self) -> tuple[str, ...]:
        return tuple(column for column in self.columns if column not in self.personal)

    def _columns_of(self, names: Iterable[str]) -> tuple[str, ...]:
        named = (self.fields[name].column for name in names if name in self.fields)
        return tuple(dict.fromkeys(column for column in named if column is not None))

    def check_columns(self, there: Iterable[str]) -> None:
        """Raises CannotImportError if there are not all columns that are read."""
        present = set(there)
        if lacking := [column for column in self.wanted if column not in present]:
            raise CannotImportError(
                f"there is no column {', '.join(lacking)}, and the mapping {self.name} reads it; the first row names: "
                f"{several([name for name in there if name])} (第一行必须是表头，并且要有这些列)"
            )

    def numbered(self, rows: Iterable[tuple[int, Cells]]) -> Iterator[tuple[int, Cells, int]]:
        """Each row with its number and its ordinal: the how-manieth row of its case in the file it is."""
        seen: Counter[str] = Counter()
        for number, row in rows:
            case_no = self.case_no(row)
            seen[case_no] += 1
            yield number, row, seen[case_no]

    def read(
        self,
        row: Cells,
        ordinal: int,
        received_at: datetime | None = None,
        shift: timedelta = UNMOVED,
        shared: frozenset[str] = frozenset(),
    ) -> Event:
        """The event of a row, its times moved by `shift`, valid by the contract. Raises Unmapped. Pure, but for the clock.

        `received_at`: when our importer first held the row; None is now. `shared`: case numbers that many cases have. The id
        comes from the cells as they are, so the same row in any file, and moved by any shift, is the same event.
        """
        if SURPLUS in row:
            raise Unmapped("", "这一行的单元格比表头多，内容可能错位")
        received_at = received_at or datetime.now(UTC)
        body = self._body(row, ordinal, shift)
        about = [self.name, body.get("service_no", 1), *self.identity(row)]
        is_shared = self.is_shared(row, shared)
        if is_shared:
            self._part(body, about)
            about.append("own")
        body |= {
            "event_id": str(derived_id("import", *about)),
            "received_at": received_at,
            "source": self.name,
        }
        kind: type[Any] = self.rows.kind.event
        try:
            event: Event = read(kind, msgspec.json.encode(body), received_at).event
        except Invalid as invalid:
            raise self._unmapped(invalid) from None
        return standalone(event, self._claim(row)) if is_shared and isinstance(event, ReviewEvent) else event

    def occurred_at(self, row: Cells) -> datetime:
        """When the row says that the service, or the review, was given. Raises Unmapped."""
        source = self.fields[self.rows.kind.occurred]
        time = source.read(row, 1)
        if not isinstance(time, datetime):
            raise Unmapped(source.column or "", EMPTY)
        return time

    def case_no(self, row: Cells) -> str:
        """The row's case number; empty if it has none that can be read, or one that is longer than any number: then the row
        will be refused, or needs none.
        """
        return self._text("case_no", row)

    def key(self, row: Cells, ordinal: int) -> tuple[str, ...]:
        """Which case, which service of it and which review of that the row is about; by the cells as they are."""
        return self.case_no(row), *(self._text(name, row, ordinal) for name in ("service_no", "review_no"))

    def identity(self, row: Cells) -> tuple[str, ...]:
        """The cells that tell this row from another."""
        return tuple(row.get(column, "") for column in self._identifying)

    def application(self, row: Cells) -> tuple[str, ...]:
        """The cells that tell one application from another, or one reviewed object from another."""
        return tuple(row.get(column, "").strip() for column in self._apart)

    def is_shared(self, row: Cells, shared: frozenset[str]) -> bool:
        """Whether the row's case number is no number of its own."""
        number = self.case_no(row)
        return number in shared or self.is_placeholder(number)

    def is_placeholder(self, number: str) -> bool:
        """Whether the source has this case number for everybody."""
        return is_placeholder(number, self.placeholders)

    def _claim(self, row: Cells) -> str:
        return clean_text(self.case_no(row))[:CLAIM]

    def _text(self, name: str, row: Cells, ordinal: int = 1) -> str:
        try:
            text = str(self.fields[name].read(row, ordinal) or "") if name in self.fields else ""
        except Unmapped:
            return ""
        return text if len(text) <= MOST_ID else ""

    def _part(self, body: dict[str, Any], about: list[Any]) -> None:
        """A case gets a number of its own, by its row; a review is then one without a case."""
        if self.rows is RowKind.CASE:
            body["case_no"] = own_case_no(*about)
        else:
            del body["case_no"]

    def _body(self, row: Cells, ordinal: int, shift: timedelta) -> dict[str, Any]:
        body: dict[str, Any] = {}
        wrong: list[Unmapped] = []
        for name, source in self.fields.items():
            try:
                value = source.read(row, ordinal)
                if value is not None:
                    body[name] = typed(name, value, shift)
            except Unmapped as unmapped:
                wrong.append(unmapped)
            except (ValueError, OverflowError) as error:
                wrong.append(Unmapped(source.column or "", str(error)))
        if wrong:
            raise _all_of(wrong)
        return _with_reviewer(body)

    def _unmapped(self, invalid: Invalid) -> Unmapped:
        field, message = refusal(invalid)
        source = self.fields.get(field)
        return Unmapped((source and source.column) or "", message)


def _all_of(wrong: list[Unmapped]) -> Unmapped:
    """What is wrong with all of a row's cells in one, so that an officer need not import once for each."""
    if len(wrong) == 1:
        return wrong[0]
    columns = dict.fromkeys(one.column for one in wrong)
    return Unmapped("、".join(columns), "；".join(f"{one.column}：{one.message}" for one in wrong))


def _with_reviewer(body: dict[str, Any]) -> dict[str, Any]:
    """Who says who they are gave a real-name review, unless the sender has a column for that."""
    identity = {name.removeprefix("reviewer_"): text for name in IDENTITY if (text := body.pop(name, ""))}
    return {"real_name": True, **body, "reviewer": identity} if identity else body


def _check(kind: Kind, name: str, source: Source) -> None:
    """What a field's source may say depends on the field. Raises ValueError."""
    if (name in TIMES) != (source.times is not None):
        known = " and ".join(sorted(TIMES.intersection(kind.fields)))
        raise ValueError(f"fields.{name}: times are for {known}, and those need them")
    if name in TIMES and source.default is not None:
        raise ValueError(f"fields.{name}: a time has no default")
    if source.ordinal and name != "service_no":
        raise ValueError(f"fields.{name}: ordinal is for service_no only")
    if source.departments and name != "dept_code":
        raise ValueError(f"fields.{name}: departments is for dept_code only")
    if name in WORDS and (wrong := source.constants - set(WORDS[name])):
        raise ValueError(f"fields.{name}: {', '.join(sorted(wrong))} is none of {', '.join(WORDS[name])}")
    if name in WHOLE and not all(text.isdecimal() for text in source.constants):
        raise ValueError(f"fields.{name}: a whole number is needed")
