"""CSV as departments save it: UTF-8 or GB18030, commas, semicolons or tabs; line by line, and no line too long to hold."""

import codecs
import csv
import io
from collections.abc import Generator, Iterator
from typing import BinaryIO

from producers.errors import CannotImportError
from producers.sheets.bounds import MAX_CELL, MAX_RECORD, Meter

_ENCODINGS = ("utf-8-sig", "gb18030")
_STEP = 256 * 1024


def csv_lines(name: str, file: BinaryIO, meter: Meter) -> Generator[list[str], None, None]:
    """The rows of the file, which is read through twice. Raises CannotImportError."""
    text = io.TextIOWrapper(file, encoding=_encoding(name, file), newline="")
    try:
        yield from _records(name, text, meter)
    finally:
        text.detach()


def _records(name: str, text: io.TextIOWrapper, meter: Meter) -> Iterator[list[str]]:
    lines = _Lines(text, meter)
    try:
        reader = csv.reader(lines, delimiter=_delimiter(text), strict=True)
        for cells in reader:
            yield cells
            lines.begins, lines.length = reader.line_num + 1, 0
    except csv.Error as error:
        # not strict, one quotation mark left open would swallow all rows behind it
        raise CannotImportError(
            f"{name} is no well-formed CSV in the row that begins at line {lines.begins} ({error}): look for a quotation mark "
            f"left open, or for a cell of more than {MAX_CELL:,} characters (第 {lines.begins} 行起引号没有成对，或有一格太长)"
        ) from None


class _Lines:
    """The lines of a text. `begins`: the line at which the row under way begins; `length`: how many characters it has so far."""

    def __init__(self, text: io.TextIOWrapper, meter: Meter) -> None:
        self._text, self._meter = text, meter
        self.begins, self.length = 1, 0

    def __iter__(self) -> Iterator[str]:
        while line := self._text.readline(MAX_RECORD + 1 - self.length):
            self.length += len(line)
            if self.length > MAX_RECORD:
                raise self._meter.too_big(
                    f"no end of the row that begins at line {self.begins}", f"第 {self.begins} 行起的一行太长"
                )
            yield line


def _encoding(name: str, file: BinaryIO) -> str:
    """Reads the file through: UTF-8 that breaks off half way is not UTF-8."""
    for encoding in _ENCODINGS:
        if _is_text(file, codecs.getincrementaldecoder(encoding)()):
            file.seek(0)
            return encoding
    raise CannotImportError(
        f"{name} is text neither in UTF-8 nor in GB18030: save it as CSV UTF-8 (请另存为 CSV UTF-8)"
    )


def _is_text(file: BinaryIO, decoder: codecs.IncrementalDecoder) -> bool:
    file.seek(0)
    try:
        while chunk := file.read(_STEP):
            if "\0" in decoder.decode(chunk):
                return False
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _delimiter(text: io.TextIOWrapper) -> str:
    header = text.readline(MAX_CELL)  # of a longer one, the rest tells nothing more
    text.seek(0)
    return max(",;\t", key=lambda mark: len(next(csv.reader([header], delimiter=mark), [])))
