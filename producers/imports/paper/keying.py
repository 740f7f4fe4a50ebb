"""One person's keying of a batch: the workbook that the template was, with what the forms say."""

from collections.abc import Iterable
from typing import NamedTuple

from producers.errors import CannotImportError
from producers.imports.paper.form import COLUMNS, FORM, Answers, answers, is_unused
from producers.imports.paper.template import (
    BAD,
    BATCH,
    BATCH_NUMBER,
    BATCH_SHEET,
    FORMS_SHEET,
    ISSUED,
    KEYED_BY,
    RETURNED,
)
from producers.sheets.rows import SURPLUS, rows
from producers.sheets.sheet_file import SheetFile

_DIGITS = 9
"""No batch has more forms; Python refuses to read a number of thousands of digits."""


class Form(NamedTuple):
    """A form that somebody wrote on. `row`: its line in the sheet."""

    row: int
    answers: Answers


class Keying(NamedTuple):
    """A batch as one person keyed it. `returned`, `bad`: how many forms, and bad reviews, were counted on paper."""

    file: str
    batch: str
    keyed_by: str
    returned: int | None
    bad: int | None
    forms: dict[str, Form]
    unused: int


def read_keying(file: SheetFile) -> Keying:
    """Read the workbook. Blocks. Raises CannotImportError if it is not the template filled in."""
    if file.kind != ".xlsx":
        raise CannotImportError(
            f"{file.name}: forms are keyed into the workbook of `hcp import paper template`"
        )
    batch = {row.get("项目", ""): row.get("内容", "").strip() for _, row in rows(file, BATCH_SHEET)}
    if not BATCH_NUMBER.fullmatch(batch.get(BATCH, "")):
        raise CannotImportError(
            f"{file.name}: the sheet {BATCH_SHEET} has no {BATCH} as the template has it: put it back (请恢复原来的批次号)"
        )
    issued = _count(file, batch, ISSUED)
    forms, unused = _forms(file, batch[BATCH], issued or 0)
    return Keying(
        file=file.name,
        batch=batch[BATCH],
        keyed_by=batch.get(KEYED_BY, ""),
        returned=_count(file, batch, RETURNED),
        bad=_count(file, batch, BAD),
        forms=forms,
        unused=unused,
    )


def _count(file: SheetFile, batch: dict[str, str], name: str) -> int | None:
    text = batch.get(name, "")
    if text and not (text.isascii() and text.isdigit() and len(text) <= _DIGITS):
        raise CannotImportError(f"{file.name}: {name} on the sheet {BATCH_SHEET} is no number of forms")
    return int(text) if text else None


def _forms(file: SheetFile, batch: str, issued: int) -> tuple[dict[str, Form], int]:
    forms: dict[str, Form] = {}
    numbers: set[str] = set()
    for number, cells in rows(file, FORMS_SHEET):
        if not numbers:
            _check_columns(file, cells)
        name = cells[FORM].strip()
        if wrong := _disorder(cells, name, numbers, batch, issued):
            raise CannotImportError(f"{file.name}, row {number} of {FORMS_SHEET}: {wrong}")
        numbers.add(name)
        if not is_unused(cells):
            forms[name] = Form(number, answers(cells))
    return forms, len(numbers) - len(forms)


def _disorder(cells: dict[str, str], name: str, before: set[str], batch: str, issued: int) -> str:
    """What is wrong with the row as a whole, so that nobody knows whose form it is; empty if nothing."""
    if SURPLUS in cells:
        return "cells stand beyond the last column (表头以外有内容): look whether the row is shifted"
    if not _is_of(name, batch, issued):
        return (
            f"{FORM} is not of batch {batch} (表单编号不属于本批次): put back the number that is on the paper"
        )
    return f"{FORM} is there twice (表单编号重复): each form has one row" if name in before else ""


def _is_of(name: str, batch: str, issued: int) -> bool:
    number = name.removeprefix(f"{batch}-")
    if number == name or not (number.isascii() and number.isdigit() and len(number) <= _DIGITS):
        return False
    return 1 <= int(number) <= issued


def _check_columns(file: SheetFile, there: Iterable[str]) -> None:
    if lacking := [column for column in COLUMNS if column not in set(there)]:
        raise CannotImportError(f"{file.name}: the sheet {FORMS_SHEET} has lost {', '.join(lacking)}")
