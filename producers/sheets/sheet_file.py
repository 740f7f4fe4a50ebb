"""A sheet, CSV or XLSX, as a file that somebody else can change at any moment: opened once, copied once, read from the copy."""

import csv
import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, BinaryIO

from producers.errors import CannotImportError
from producers.sheets.bounds import MAX_BYTES, Meter
from producers.sheets.csv_text import csv_lines
from producers.sheets.names import printable
from producers.sheets.regular import open_regular
from producers.sheets.workbook import xlsx_lines

_STEP = 1024 * 1024


class SheetFile:
    """`name`: for people. `kind`: `.csv` or `.xlsx`. `status`: of the very file. `digest`: SHA-256 of its
    bytes, in hex.

    Its lines are unpacked once, within the bounds, and every pass reads those. One pass at a time.
    """

    def __init__(self, path: Path, source: BinaryIO, stack: ExitStack) -> None:
        self.path, self.name, self.kind = path, printable(path.name), path.suffix.lower()
        if self.kind not in MAX_BYTES:
            raise CannotImportError(
                f"{self.name} is neither .csv nor .xlsx: save it as one of them (请另存为 .xlsx)"
            )
        self.status = os.fstat(source.fileno())
        self._meter = Meter(self.name, self.kind)
        self._stack, self._copy = stack, stack.enter_context(TemporaryFile())  # noqa: SIM115  the stack closes it
        self.digest = self._take_copy(source)
        self._unpacked: dict[str | None, IO[str]] = {}

    def lines(self, title: str | None = None) -> Iterator[list[str]]:
        """The lines of this sheet, or of the only one that is shown and has cells; each cell as text. Blocks.

        Raises CannotImportError.
        """
        if title not in self._unpacked:
            self._unpacked[title] = self._unpack(title)
        unpacked = self._unpacked[title]
        unpacked.seek(0)
        return csv.reader(unpacked)

    def _take_copy(self, source: BinaryIO) -> str:
        digest, size, most = sha256(), self.status.st_size, MAX_BYTES[self.kind]
        while size <= most and (chunk := source.read(_STEP)):
            digest.update(chunk)
            self._copy.write(chunk)
            size = max(size, self._copy.tell())
        if size > most:
            raise self._meter.too_big(f"more than {most >> 20} MB", f"超过 {most >> 20} MB")
        return digest.hexdigest()

    def _unpack(self, title: str | None) -> IO[str]:
        out = self._stack.enter_context(TemporaryFile("w+", encoding="utf-8", newline=""))  # noqa: SIM115  as above
        writer = csv.writer(out)
        for number, cells in enumerate(self._read(title), start=1):
            while cells and not cells[-1]:
                cells.pop()
            self._meter.count(number, cells)
            writer.writerow(cells)
        return out

    def _read(self, title: str | None) -> Iterable[list[str]]:
        if self.kind == ".csv":
            return csv_lines(self.name, self._copy, self._meter)
        return xlsx_lines(self.name, self._copy, self._meter, title)


@contextmanager
def opened(path: Path, folder: int | None = None) -> Iterator[SheetFile]:
    """The sheet at this path, which may be relative to an open `folder`. Blocks.

    Raises CannotImportError if it is no file that can be read, FileNotFoundError if nothing is there.
    """
    with ExitStack() as stack:
        yield SheetFile(path, stack.enter_context(open_regular(path, folder)), stack)
