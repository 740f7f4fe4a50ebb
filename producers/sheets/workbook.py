"""Workbooks (XLSX): their lines as text, whatever Excel made of the cells; a damaged one is a sentence."""

import warnings
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from datetime import date, datetime, time
from itertools import islice
from typing import Any, BinaryIO, NamedTuple

from producers.errors import CannotImportError
from producers.sheets.archive import Archive, Packed
from producers.sheets.bounds import MAX_LINES, Meter
from producers.sheets.names import several

_EXACT = 10**15
"""Excel keeps 15 digits of a number; of a longer one the rest is already lost."""
_LOOKED_AT = 20
"""Rows, to see whether a sheet has cells."""


def xlsx_lines(
    name: str, file: BinaryIO, meter: Meter, title: str | None
) -> Generator[list[str], None, None]:
    """The lines of this sheet, or of the only one that is shown and has cells, each cell as text. Raises CannotImportError."""
    with _readable(name), Archive(file, meter) as archive:
        book = _book(file, meter, archive)
        sheet = _only_sheet(name, book) if title is None else _sheet(name, book, title)
        before = 0
        for number, cells in book.rows(sheet):
            if number > MAX_LINES:
                raise meter.too_big(f"more than {MAX_LINES:,} lines", f"超过 {MAX_LINES:,} 行")
            if number <= before:
                raise ValueError(number)  # twice, or out of order: openpyxl would leave it out
            yield from ([] for _ in range(before + 1, number))
            yield cells
            before = number


class _Sheet(NamedTuple):
    title: str
    shown: bool
    part: str


class _Book:
    """As much of a workbook as its rows need. What else openpyxl can read takes time and memory that nobody bounds."""

    def __init__(self, reader: Any) -> None:
        there = set(reader.archive.namelist())
        found = [
            _Sheet(sheet.name, sheet.state == "visible", rel.target)
            for sheet, rel in reader.parser.find_sheets()
            if rel.target in there and "chartsheet" not in rel.Type
        ]
        self._reader, self.sheets = reader, found

    def rows(self, sheet: _Sheet) -> Iterator[tuple[int, list[str]]]:
        """Each row that the sheet tells of, with its number."""
        from openpyxl.worksheet._reader import DATA_TAG, ROW_TAG, WorkSheetParser
        from openpyxl.xml.functions import iterparse

        book = self._reader.wb
        with self._reader.archive.open(sheet.part) as part:
            parser = WorkSheetParser(
                part,
                self._reader.shared_strings,
                data_only=True,
                epoch=book.epoch,
                date_formats=book._date_formats,  # noqa: SLF001  openpyxl's own reader takes them there
                timedelta_formats=book._timedelta_formats,  # noqa: SLF001
            )
            for _, element in iterparse(part):
                if element.tag == ROW_TAG:
                    number, cells = parser.parse_row(element)
                    element.clear()
                    yield number, _texts(cells)
                elif element.tag == DATA_TAG:
                    return


def _book(file: BinaryIO, meter: Meter, archive: Archive) -> _Book:
    from openpyxl.reader.excel import ExcelReader
    from openpyxl.styles.stylesheet import apply_stylesheet

    reader = ExcelReader(Packed(file, meter), read_only=True, data_only=True, keep_links=False)
    reader.archive = archive
    reader.read_manifest()
    reader.read_strings()
    reader.read_workbook()
    apply_stylesheet(archive, reader.wb)
    return _Book(reader)


@contextmanager
def _readable(name: str) -> Iterator[None]:
    """Openpyxl checks nothing: a damaged workbook shows itself in whatever breaks first, also half way through."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about styles, and dates that are none
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


def _sheet(name: str, book: _Book, title: str) -> _Sheet:
    for sheet in book.sheets:
        if sheet.title == title:
            return sheet
    raise CannotImportError(f"{name} has no sheet {title}")


def _only_sheet(name: str, book: _Book) -> _Sheet:
    """A sheet that nobody sees holds the entries of drop-downs; if none is seen, all count."""
    shown = [sheet for sheet in book.sheets if sheet.shown] or book.sheets
    filled = [
        sheet for sheet in shown if any(any(cells) for _, cells in islice(book.rows(sheet), _LOOKED_AT))
    ]
    if len(filled) > 1:
        raise CannotImportError(
            f"{name} has more than one sheet ({several([sheet.title for sheet in filled])}): save the one with the rows alone (请只保留一张工作表)"
        )
    return filled[0] if filled else shown[0]


def _texts(cells: list[dict[str, Any]]) -> list[str]:
    by_column = {cell["column"]: _text(cell["value"]) for cell in cells if cell["value"] is not None}
    return [by_column.get(column, "") for column in range(1, max(by_column, default=0) + 1)]


def _text(cell: object) -> str:
    match cell:
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
