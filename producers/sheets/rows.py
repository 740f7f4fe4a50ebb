"""The rows of a sheet, CSV or XLSX, as text by column. Row numbers are those that the sheet shows: the header is 1."""

from collections.abc import Iterator

from producers.errors import CannotImportError
from producers.sheets.names import several
from producers.sheets.sheet_file import SheetFile

SURPLUS = ""
"""The key of what stands in a row beyond the last column of the header: the row is probably shifted."""
Cells = list[str]


def rows(file: SheetFile, sheet: str | None = None) -> Iterator[tuple[int, dict[str, str]]]:
    """Each row that is not blank, with its number. Raises CannotImportError.

    Of a workbook: this sheet, or the only one that is shown and has cells. A column without a heading is called `column <n>`. Cells missing
    at a row's end are empty.
    """
    lines = file.lines(sheet)
    header = _header(file.name, next(lines, []))
    for number, cells in enumerate(lines, start=2):
        if any(cell.strip() for cell in cells):
            yield number, _row(header, cells)


def count(file: SheetFile) -> int:
    """How many rows there are. Blocks: reads the whole file, so that a defect at its end is found before the first row is sent.

    Raises CannotImportError, also if there is no row.
    """
    there = sum(1 for _ in rows(file))
    if not there:
        raise CannotImportError(f"{file.name} has a header, but no rows (只有表头，没有内容)")
    return there


def _header(name: str, cells: Cells) -> Cells:
    names = [cell.strip() for cell in cells]
    while names and not names[-1]:
        names.pop()
    if not names:
        raise CannotImportError(
            f"{name} has no header: its first row must name the columns (第一行必须是表头)"
        )
    named = [heading or f"column {place}" for place, heading in enumerate(names, start=1)]
    if twice := sorted({heading for heading in named if named.count(heading) > 1}):
        raise CannotImportError(
            f"{name} has more than one column {several(twice)}: rename or remove one (列名重复)"
        )
    return named


def _row(header: Cells, cells: Cells) -> dict[str, str]:
    row = dict.fromkeys(header, "") | dict(zip(header, cells, strict=False))
    if any(surplus := cells[len(header) :]):
        row[SURPLUS] = " ".join(filter(None, surplus))
    return row
