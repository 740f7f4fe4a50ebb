"""Workbooks (XLSX): their lines as text, whatever Excel made of the cells; a damaged one is a sentence."""

import warnings
import zipfile
import zlib
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from datetime import date, datetime, time
from itertools import islice
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

from producers.errors import CannotImportError

_EXACT = 10**15
"""Excel keeps 15 digits of a number; of a longer one the rest is already lost."""
_DAMAGE = (
    zipfile.BadZipFile, zlib.error, ParseError, EOFError, OSError, LookupError, ValueError, TypeError,
    AttributeError, ArithmeticError, NotImplementedError,
)  # fmt: skip


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Openpyxl checks nothing: a damaged workbook shows itself in whatever breaks first, also half way through."""
    try:
        yield
    except _DAMAGE as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the disk's, not the workbook's
        raise CannotImportError(
            f"{path.name} is no XLSX workbook, or a damaged one ({type(error).__name__}): save it again "
            "as .xlsx, without a password (请去掉密码，重新另存为 .xlsx)"
        ) from None


@contextmanager
def _workbook(path: Path) -> Iterator[Any]:
    from openpyxl import load_workbook

    with (
        path.open("rb") as file,
        _readable(path),
    ):  # of a damaged file openpyxl leaves open what it opens itself
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about styles
            book = load_workbook(file, read_only=True, data_only=True)
        with closing(book):
            yield book


def stated_rows(path: Path) -> int | None:
    """How many rows below the header the workbook says it has; some do not, or state it wrongly. Raises CannotImportError."""
    with _workbook(path) as book:
        return (_shown(book)[0].max_row or 1) - 1 or None


def xlsx_lines(path: Path, title: str | None) -> Generator[list[str], None, None]:
    """The lines of this sheet, or of the only one that is shown and has cells, each cell as text. Raises CannotImportError."""
    with _workbook(path) as book:
        sheet = _only_sheet(path, book) if title is None else _sheet(path, book, title)
        for cells in sheet.iter_rows(values_only=True):
            yield [_text(cell) for cell in cells]


def _sheet(path: Path, book: Any, title: str) -> Any:
    if title not in book.sheetnames:
        raise CannotImportError(f"{path.name} has no sheet {title}")
    sheet = book[title]
    sheet.reset_dimensions()
    return sheet


def _only_sheet(path: Path, book: Any) -> Any:
    shown = _shown(book)
    for sheet in shown:
        sheet.reset_dimensions()  # some writers state them wrongly, and rows would be missing
    filled = [sheet for sheet in shown if _has_cells(sheet)]
    if len(filled) > 1:
        names = ", ".join(sheet.title for sheet in filled)
        raise CannotImportError(
            f"{path.name} has more than one sheet ({names}): save the one with the rows alone (请只保留一张工作表)"
        )
    return filled[0] if filled else shown[0]


def _shown(book: Any) -> list[Any]:
    """A sheet that nobody sees holds the entries of drop-downs; if none is seen, all."""
    return [sheet for sheet in book.worksheets if sheet.sheet_state == "visible"] or book.worksheets


def _has_cells(sheet: Any) -> bool:
    return any(any(row) for row in islice(sheet.iter_rows(values_only=True), 20))


def _text(cell: object) -> str:
    match cell:
        case None:
            return ""
        case bool():
            return str(cell).upper()
        case int() | float() if abs(cell) >= _EXACT:
            return f"{cell:.14E}"
        case float() if cell.is_integer():
            return str(int(cell))
        case datetime() | date() | time():
            return cell.isoformat()
        case _:
            return str(cell)
