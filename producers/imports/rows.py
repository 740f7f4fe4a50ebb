"""The rows of a sheet, CSV or XLSX, as text by column. Row numbers are those that the sheet shows: the header is 1."""

import csv
from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import Path

from producers.errors import CannotImportError
from producers.imports.workbook import stated_rows, xlsx_lines

SURPLUS = ""
"""The key of what stands in a row beyond the last column of the header: the row is probably shifted."""
_ENCODINGS = ("utf-8-sig", "gb18030")
Cells = list[str]


def rows(path: Path, sheet: str | None = None) -> Iterator[tuple[int, dict[str, str]]]:
    """Each row that is not blank, with its number. Reads as it goes. Raises CannotImportError.

    Of a workbook: this sheet, or the only one that is shown and has cells. A column without a heading is called `column <n>`. Cells missing
    at a row's end are empty.
    """
    with closing(_lines(path, sheet)) as lines:
        header = _header(path, next(lines, []))
        for number, cells in enumerate(lines, start=2):
            if any(cell.strip() for cell in cells):
                yield number, _row(header, cells)


def count(path: Path) -> int | None:
    """About how many rows there are; None if the sheet does not say. Blocks.

    Reads a CSV whole, so that a defect at its end is found before the first row is sent; XLSX is only asked. Raises
    CannotImportError, also if there is no row.
    """
    first = next(rows(path), None)
    if first is None:
        raise CannotImportError(f"{path.name} has a header, but no rows (只有表头，没有内容)")
    if _kind(path) == ".csv":
        return sum(1 for _ in rows(path))
    return stated_rows(path)


def _kind(path: Path) -> str:
    kind = path.suffix.lower()
    if kind not in {".csv", ".xlsx"}:
        raise CannotImportError(
            f"{path.name} is neither .csv nor .xlsx: save it as one of them (请另存为 .xlsx)"
        )
    return kind


def _lines(path: Path, sheet: str | None) -> Generator[Cells, None, None]:
    return _csv_lines(path) if _kind(path) == ".csv" else xlsx_lines(path, sheet)


def _header(path: Path, cells: Cells) -> Cells:
    names = [cell.strip() for cell in cells]
    while names and not names[-1]:
        names.pop()
    if not names:
        raise CannotImportError(
            f"{path.name} has no header: its first row must name the columns (第一行必须是表头)"
        )
    named = [name or f"column {place}" for place, name in enumerate(names, start=1)]
    if twice := sorted({name for name in named if named.count(name) > 1}):
        raise CannotImportError(
            f"{path.name} has more than one column {', '.join(twice)}: rename or remove one (列名重复)"
        )
    return named


def _row(header: Cells, cells: Cells) -> dict[str, str]:
    row = dict.fromkeys(header, "") | dict(zip(header, cells, strict=False))
    if any(surplus := cells[len(header) :]):
        row[SURPLUS] = " ".join(filter(None, surplus))
    return row


def _csv_lines(path: Path) -> Generator[Cells, None, None]:
    with path.open(encoding=_encoding(path), newline="") as file:
        delimiter = _delimiter(file.readline())
        file.seek(0)
        reader = csv.reader(file, delimiter=delimiter, strict=True)
        begins = 1
        try:
            for cells in reader:
                yield cells
                begins = reader.line_num + 1
        except csv.Error as error:
            # not strict, one quotation mark left open would swallow all rows behind it
            raise CannotImportError(
                f"{path.name} is no well-formed CSV in the row that begins at line {begins} ({error}): look for a quotation "
                f"mark left open (第 {begins} 行起引号没有成对)"
            ) from None


def _encoding(path: Path) -> str:
    """Reads the file through: UTF-8 that breaks off half way is not UTF-8."""
    for encoding in _ENCODINGS:
        try:
            with path.open(encoding=encoding) as file:
                if not any("\0" in line for line in file):
                    return encoding
        except UnicodeDecodeError:
            continue
    raise CannotImportError(
        f"{path.name} is text neither in UTF-8 nor in GB18030: save it as CSV UTF-8 (请另存为 CSV UTF-8)"
    )


def _delimiter(header: str) -> str:
    return max(",;\t", key=lambda mark: len(next(csv.reader([header], delimiter=mark), [])))
