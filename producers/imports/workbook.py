"""Workbooks (XLSX): their lines as text, whatever Excel made of the cells; a damaged one is a sentence."""

import warnings
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from datetime import date, datetime, time
from itertools import islice
from typing import Any, BinaryIO

from producers.errors import CannotImportError
from producers.imports.archive import Archive, Packed
from producers.imports.bounds import Meter

_EXACT = 10**15
"""Excel keeps 15 digits of a number; of a longer one the rest is already lost."""


def xlsx_lines(
    name: str, file: BinaryIO, meter: Meter, title: str | None
) -> Generator[list[str], None, None]:
    """The lines of this sheet, or of the only one that is shown and has cells, each cell as text. Raises CannotImportError."""
    with _workbook(name, file, meter) as book:
        sheet = _only_sheet(name, book) if title is None else _sheet(name, book, title)
        for cells in sheet.iter_rows(values_only=True):
            yield [_text(cell) for cell in cells]


@contextmanager
def _workbook(name: str, file: BinaryIO, meter: Meter) -> Iterator[Any]:
    from openpyxl.reader.excel import ExcelReader

    with _readable(name), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about styles
        reader = ExcelReader(Packed(file, meter), read_only=True, data_only=True, keep_links=False)
        with closing(Archive(file, meter)) as reader.archive:
            reader.read()
            yield reader.wb


@contextmanager
def _readable(name: str) -> Iterator[None]:
    """Openpyxl checks nothing: a damaged workbook shows itself in whatever breaks first, also half way through."""
    try:
        yield
    except CannotImportError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the disk's, not the workbook's
        raise CannotImportError(
            f"{name} is no XLSX workbook, or a damaged one ({type(error).__name__}): save it again "
            "as .xlsx, without a password (请去掉密码，重新另存为 .xlsx)"
        ) from None


def _sheet(name: str, book: Any, title: str) -> Any:
    if title not in book.sheetnames:
        raise CannotImportError(f"{name} has no sheet {title}")
    sheet = book[title]
    sheet.reset_dimensions()  # some writers state them wrongly, and rows would be missing
    return sheet


def _only_sheet(name: str, book: Any) -> Any:
    shown = _shown(book)
    for sheet in shown:
        sheet.reset_dimensions()
    filled = [sheet for sheet in shown if _has_cells(sheet)]
    if len(filled) > 1:
        names = ", ".join(sheet.title for sheet in filled)
        raise CannotImportError(
            f"{name} has more than one sheet ({names}): save the one with the rows alone (请只保留一张工作表)"
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
