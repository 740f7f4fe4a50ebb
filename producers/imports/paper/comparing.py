"""Two keyings of one batch beside each other: what both say alike, and each cell that they say differently."""

import csv
import io
from pathlib import Path
from typing import Any, NamedTuple

from pipeline import whole_file
from pipeline.privacy import scrub
from producers.errors import CannotImportError
from producers.imports.listing import HIDDEN, harmless
from producers.imports.paper.form import COMMENT, LEVEL, PERSONAL, Answers, alike
from producers.imports.paper.keying import Form, Keying
from schemas.codes import BAD_LEVELS

DIFFERENT, MISSING = "两次录入不一致", "只有一份录入了这张表"
HEADER = ("表单编号", "列", "问题", "第一份的行号", "第一份的内容", "第二份的行号", "第二份的内容")


class Problem(NamedTuple):
    """A line of the list for officers. Rows are of the sheets of the first and the second keying; 0: it is not there."""

    form: str
    column: str
    message: str
    row: int = 0
    said: str = ""
    other_row: int = 0
    other_said: str = ""


class Agreed(NamedTuple):
    """A form that both keyed alike: the first one's answers, and its line in the sheet of each."""

    answers: Answers
    row: int
    other_row: int


class Compared(NamedTuple):
    """`agreed`: the forms that both keyed alike and without an error in a cell, by number."""

    batch: str
    forms: int
    unused: int
    agreed: dict[str, Agreed]
    problems: list[Problem]


def compare(first: Keying, second: Keying, forms: int | None) -> Compared:
    """Raises CannotImportError if these are not two people's keyings of one batch, or if a total does not come out.

    `forms`: how many were returned; None: the sheets say it.
    """
    _check_people(first, second)
    numbers = sorted(first.forms.keys() | second.forms.keys())
    problems = [
        p for number in numbers for p in _problems(number, first.forms.get(number), second.forms.get(number))
    ]
    troubled = {problem.form for problem in problems}
    _check_totals(first, second, len(numbers), forms, sure=not any(p.column in {"", LEVEL} for p in problems))
    agreed = {
        number: Agreed(first.forms[number].answers, first.forms[number].row, second.forms[number].row)
        for number in numbers
        if number not in troubled
    }
    return Compared(first.batch, len(numbers), min(first.unused, second.unused), agreed, problems)


def write_problems(file: Path, problems: list[Problem]) -> None:
    """The list, whole or not at all, readable by us alone. Identities are not in it."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(HEADER)
    writer.writerows([harmless(str(cell or "")) for cell in problem] for problem in problems)
    whole_file.write(file, out.getvalue().encode("utf-8-sig"))


def _check_people(first: Keying, second: Keying) -> None:
    if first.batch != second.batch:
        raise CannotImportError(
            f"{first.file} and {second.file} are of two batches, {first.batch} and {second.batch}"
        )
    if not first.keyed_by or not second.keyed_by or first.keyed_by == second.keyed_by:
        raise CannotImportError(
            f"{first.file} and {second.file}: 录入人 on the sheet 批次 must name two different people, who keyed apart"
        )


def _check_totals(first: Keying, second: Keying, keyed: int, forms: int | None, *, sure: bool) -> None:
    """`sure`: both say the same of every form's level, so that bad reviews can be counted."""
    returned = forms if forms is not None else _same("收回份数", first.returned, second.returned)
    if returned is None:
        raise CannotImportError(
            "nobody counted the forms: fill in 收回份数 on the sheet 批次, or say --forms N"
        )
    if returned != keyed:
        raise CannotImportError(
            f"{returned} forms came back, and {keyed} are keyed: find the others before anything is sent"
        )
    bad = _same("其中差评份数", first.bad, second.bad)
    keyed_bad = sum(form.answers.values[LEVEL] in BAD_LEVELS for form in first.forms.values())
    if sure and bad is not None and bad != keyed_bad:
        raise CannotImportError(
            f"{bad} bad reviews were counted on paper, and {keyed_bad} are keyed: look for the mistake"
        )


def _same(name: str, one: int | None, other: int | None) -> int | None:
    if None not in {one, other} and one != other:
        raise CannotImportError(f"the two keyings name different totals in {name}: {one} and {other}")
    return other if one is None else one


def _problems(number: str, one: Form | None, other: Form | None) -> list[Problem]:
    if one is None or other is None:
        return [Problem(number, "", MISSING, one.row if one else 0, "", other.row if other else 0)]
    wrong = [
        Problem(number, w.column, f"第一份：{w.message}", one.row, "", other.row) for w in one.answers.wrong
    ]
    wrong += [
        Problem(number, w.column, f"第二份：{w.message}", one.row, "", other.row) for w in other.answers.wrong
    ]
    mine, theirs = one.answers.values, other.answers.values
    return wrong + [
        Problem(number, column, DIFFERENT, one.row, _shown(column, mine), other.row, _shown(column, theirs))
        for column in mine
        if not alike(column, mine[column], theirs[column])
    ]


def _shown(column: str, values: dict[str, Any]) -> str:
    value = values[column]
    if column in PERSONAL:
        return HIDDEN if value else ""
    if isinstance(value, list):
        return " ".join(value)
    return scrub(str(value)) if column == COMMENT else str(value)
