"""How much a sheet may hold: what goes beyond is refused before it costs memory or minutes, with a sentence that says what to do.

With all of them reached at once an import needs less than 300 MB.
"""

from time import thread_time

from producers.errors import CannotImportError

MAX_BYTES = {".csv": 256 * 1024 * 1024, ".xlsx": 32 * 1024 * 1024}
"""By the kind of file. What a workbook holds is about five times as long."""
MAX_ROWS = {".csv": 200_000, ".xlsx": 100_000}
"""Rows that are not blank: the look ahead keeps about 500 bytes of each."""
MAX_LINES = 1_048_576
"""Excel's own. Blank lines count."""
MAX_COLUMNS = 300
MAX_CELL = 131_072
"""Characters, the most that Python's CSV reader takes; a cell of Excel has a quarter of that."""
MAX_RECORD = 2 * 1024 * 1024
"""Characters of a CSV row, which may have several lines."""
MAX_SECONDS = 60.0
"""CPU time until all of a file is unpacked; a workbook of 100,000 rows takes a third."""


class Meter:
    """What one file has come to so far."""

    def __init__(self, name: str, kind: str) -> None:
        self._name, self._most = name, MAX_ROWS[kind]
        self._end = thread_time() + MAX_SECONDS
        self._rows = 0

    def count(self, number: int, cells: list[str]) -> None:
        """One line more; `number` is the sheet's. Raises CannotImportError if it is too much."""
        self.check_time()
        self._rows += bool(cells)
        if self._rows > self._most + 1 or number > MAX_LINES:
            raise self.too_big(f"more than {self._most:,} rows", f"超过 {self._most:,} 行")
        if len(cells) > MAX_COLUMNS:
            raise self.too_big(f"more than {MAX_COLUMNS} columns", f"超过 {MAX_COLUMNS} 列")
        if max(map(len, cells), default=0) > MAX_CELL:
            raise self.too_big(f"too long a cell in row {number}", f"第 {number} 行有一格太长")

    def check_time(self) -> None:
        """To be called between steps that each take no time worth mentioning. Raises CannotImportError."""
        if thread_time() > self._end:
            raise self.too_big(f"more than can be read in {MAX_SECONDS:g} s", f"{MAX_SECONDS:g} 秒内读不完")

    def too_big(self, what: str, told: str) -> CannotImportError:
        """The sentence: `what` the file has, and the same in Chinese."""
        return CannotImportError(
            f"{self._name} has {what}: keep the rows and columns that are needed, split it into several files, or save it as CSV "
            f"({told}：请删去无关内容，分成几个文件，或另存为 CSV)"
        )
