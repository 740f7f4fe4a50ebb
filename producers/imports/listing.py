"""A list of rows for officers: which row, which column, what is wrong with it, and its cells. Excel opens it."""

import csv
import os
from collections.abc import Container, Iterable
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from producers.sheets.rows import SURPLUS

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_HEAD = ("行号", "列", "问题")
_BEYOND = "表头以外"
HIDDEN = "（不显示）"


class Listing:
    """A context manager. Leaving it puts the file in its place; without a row, an old file of the name goes.

    Cells of `hidden` columns are not shown: they are personal. When an error passes through, the file stays as it was: the
    next run reads all rows again.
    """

    def __init__(self, file: Path, hidden: Container[str] = ()) -> None:
        self.file = file
        self.rows = 0
        self._hidden = hidden
        self._draft = file.with_name(file.name + ".new")
        self._out: IO[str] | None = None
        self._writer: Any = None

    def add(self, number: int, column: str, message: str, row: dict[str, str]) -> None:
        """One row more. `number` is its line in the sheet; `column` is empty if it is the row as a whole."""
        if self._out is None:
            self._begin([name for name in row if name != SURPLUS])
        self.rows += 1
        cells = [self._shown(name, cell) for name, cell in row.items() if name != SURPLUS]
        self._write([str(number), column, message, *cells, row.get(SURPLUS, "")])

    def safe(self) -> None:
        """Wait until what was added is on disk. Blocks."""
        if self._out is not None:
            self._out.flush()
            os.fsync(self._out.fileno())

    @property
    def placed(self) -> Path | None:
        """The file, if there is something in it."""
        return self.file if self.rows else None

    def _shown(self, name: str, cell: str) -> str:
        return HIDDEN if cell and name in self._hidden else cell

    def _begin(self, columns: Iterable[str]) -> None:
        self._draft.unlink(missing_ok=True)
        handle = os.open(self._draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self._out = os.fdopen(handle, "w", encoding="utf-8-sig", newline="")
        self._writer = csv.writer(self._out)
        self._write([*_HEAD, *columns, _BEYOND])

    def _write(self, cells: list[str]) -> None:
        self._writer.writerow([harmless(cell) for cell in cells])

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Put it in its place, unless an error is on its way."""
        if self._out is not None:
            self._out.close()
        if error is not None:
            self._draft.unlink(missing_ok=True)
        elif self.rows:
            self._draft.replace(self.file)
        else:
            self.file.unlink(missing_ok=True)


class Journal(Listing):
    """A list that grows from one run to the next: for rows that are not read again. What is in it stays, whatever happens."""

    def _begin(self, columns: Iterable[str]) -> None:
        handle = os.open(self.file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        fresh = os.fstat(handle).st_size == 0
        self._out = os.fdopen(handle, "w", encoding="utf-8-sig" if fresh else "utf-8", newline="")
        self._writer = csv.writer(self._out)
        self._write([*_HEAD, *columns, _BEYOND])

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        if self._out is not None:
            self._out.close()


def harmless(cell: str) -> str:
    """Excel would compute what begins so: a citizen's cell must not become a formula on an officer's desk."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
