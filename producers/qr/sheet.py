"""The A4 sheet of a hall: a card for each window, to be printed, cut and put up."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import msgspec
from markupsafe import Markup

from producers.errors import InputError
from producers.pages.look import Look
from producers.pages.words import day
from producers.qr import making
from producers.qr.codes import link, svg
from producers.sheets.rows import rows
from producers.sheets.sheet_file import opened
from producers.tokens import Kind, Place, Tokens

HERE = Path(__file__).parent
COLUMNS = ("window_code", "name", "dept_code")
MAX_NAME = 40
"""Characters that fit on a card in large type."""


class Hall(NamedTuple):
    """Whose windows they are; `name` as it is printed."""

    code: str
    name: str


class Card(NamedTuple):
    """What is printed for one window."""

    name: str
    svg: Markup


def windows(path: Path) -> list[Place]:
    """The windows of a sheet (CSV or XLSX; `window_code,name` and perhaps `dept_code`). Raises InputError with the row. Blocks."""
    try:
        with opened(path) as file:
            found = [_window(file.name, number, row) for number, row in rows(file)]
    except FileNotFoundError:
        raise InputError(f"{path} is not there") from None
    if not found:
        raise InputError(f"{path} has no windows: a header {','.join(COLUMNS)}, then a line for each")
    return found


def _window(path: str, number: int, row: dict[str, str]) -> Place:
    window_code, name, dept_code = (row.get(column, "").strip() for column in COLUMNS)
    if not window_code or not name:
        raise InputError(f"{path}, row {number}: window_code and name are needed")
    if len(name) > MAX_NAME:
        raise InputError(f"{path}, row {number}: the name has more than {MAX_NAME} characters")
    try:
        return making.place(Kind.WINDOW, window_code, making.About(name, dept_code))
    except InputError as error:
        raise InputError(f"{path}, row {number}: {error}") from None


def cards(tokens: Tokens, url: str, hall: Hall, places: Iterable[Place], expires: datetime) -> list[Card]:
    """A card for each window, with a token of its own. Raises InputError for a hall's code that no review could say."""
    return [
        Card(place.name, Markup(svg(link(url, tokens.make(_in(hall, place), expires)))))  # noqa: S704  segno's drawing
        for place in places
    ]


def sheet(hall: Hall, printed: Sequence[Card], expires: datetime, zone: ZoneInfo) -> str:
    """The page to print: HTML that needs nothing else. Pure but for the template."""
    context = {"hall": hall, "cards": printed, "until": day(expires, zone)}
    return Look(HERE).text("sheet.html", context)


def _in(hall: Hall, place: Place) -> Place:
    return making.fit(msgspec.structs.replace(place, hall_code=hall.code))
