"""A workbook's zip of XML parts, unpacked in bounded steps: each is looked at before openpyxl gets it.

What a zip says of its sizes may be wrong, and a few kilobytes may stand for gigabytes or for hours. Openpyxl checks nothing,
and keeps what it reads as trees.
"""

import io
import zipfile
from collections import Counter
from typing import Any, BinaryIO
from xml.parsers import expat

from producers.errors import CannotImportError
from producers.sheets.bounds import MAX_LINES, Meter

MAX_UNPACKED = 256 * 1024 * 1024
"""Bytes of all that is read; 100,000 rows of 15 columns have about 70 MB."""
MAX_STRINGS = 24 * 1024 * 1024
"""Bytes of the table of texts, which is held in memory."""
MAX_FRAME = 2 * 1024 * 1024
"""Bytes of a part that is held in memory whole: everything but sheets and texts."""
MAX_CROWD = 20_000
"""Elements that are held as a tree at one time; a row of Excel has at most 16,384 cells."""
MAX_DEPTH = 64
MAX_TEXT = 256 * 1024
"""Bytes from one opening tag to the next; a cell of Excel has 32,767 characters."""
_MAX_FORMAT = 1024
"""Bytes of a number format, to which openpyxl applies patterns that take the square of its length; Excel has 255 characters."""
_MAX_COUNT = {"sheet": 100, "si": 400_000, "row": MAX_LINES}
_HEAPS = frozenset({"row", "si"})
"""Elements that openpyxl lets go one by one."""
_MAX_DIRECTORY = 256 * 1024
"""Bytes of the zip's own directory, enough for 2,000 parts."""
_STEP = 64 * 1024
_PACKINGS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
"""What Excel writes. Other packings cannot be unpacked in steps."""


class Archive(zipfile.ZipFile):
    """Raises CannotImportError where the workbook goes beyond a bound, and what zipfile and expat raise where it is damaged."""

    def __init__(self, file: BinaryIO, meter: Meter) -> None:
        super().__init__(Packed(file, meter))
        self.meter, self._left = meter, MAX_UNPACKED

    def open(self, name: Any, *_: Any, **__: Any) -> Any:
        """The part, to be read step by step."""
        if self.getinfo(name).compress_type not in _PACKINGS:
            raise zipfile.BadZipFile(name)
        return Part(self, super().open(name))

    def take(self, unpacked: int) -> None:
        """So many bytes more are about to be given on."""
        self.meter.check_time()
        self._left -= unpacked
        if self._left < 0:
            raise self.meter.too_big(
                f"more than {MAX_UNPACKED >> 20} MB of content", f"内容超过 {MAX_UNPACKED >> 20} MB"
            )


class Packed(io.RawIOBase):
    """The zip itself, never much of it at once: zipfile reads the directory in one go, however long that says it is."""

    def __init__(self, file: BinaryIO, meter: Meter) -> None:
        self._file, self._meter = file, meter
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable  # type: ignore[method-assign]  # its own

    def read(self, size: int = -1) -> bytes:
        """So many bytes, or a directory's length of those that are left."""
        if size > _MAX_DIRECTORY:
            raise self._meter.too_big("too many parts", "文件内部的部分太多")
        return self._file.read(_MAX_DIRECTORY if size < 0 else size)


class Part(io.RawIOBase):
    """One part. What is read of it has been looked at."""

    def __init__(self, archive: Archive, unpacked: Any) -> None:
        self._archive, self._unpacked, self._look = archive, unpacked, Look(archive.meter)

    def read(self, size: int = -1) -> bytes:
        """At most so many bytes; without a size all of them, if it is a small part."""
        return self._whole() if size < 0 else self._step(size)

    def _step(self, size: int) -> bytes:
        data: bytes = self._unpacked.read(min(size, _STEP))
        self._archive.take(len(data))
        self._look.at(data)
        return data

    def _whole(self) -> bytes:
        whole = bytearray()
        while data := self._step(_STEP):
            whole += data
            if len(whole) > MAX_FRAME:
                raise self._archive.meter.too_big("too many styles or names", "样式或名称太多")
        return bytes(whole)

    def close(self) -> None:
        """Let go of it."""
        self._unpacked.close()
        super().close()


class Look:
    """A look at XML as it comes; nothing of it is kept."""

    def __init__(self, meter: Meter) -> None:
        self._meter, self._parser = meter, expat.ParserCreate()
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._length = self._depth = self._crowd = self._tagged = 0
        self._tag = ""
        self._counts = Counter[str]()

    def at(self, data: bytes) -> None:
        """Raises CannotImportError, ExpatError. No data: that was all."""
        self._length += len(data)
        self._parser.Parse(data, not data)
        self._check_text(self._length)
        if self._counts["si"] and self._length > MAX_STRINGS:
            raise self._too_much()

    def _start(self, tag: str, _: object) -> None:
        place = self._parser.CurrentByteIndex
        self._check_text(place)
        self._tagged, self._tag = place, tag.rpartition(":")[2]
        self._depth += 1
        self._crowd = 0 if self._tag in _HEAPS else self._crowd + 1
        if self._depth > MAX_DEPTH or self._crowd > MAX_CROWD:
            raise self._too_much()
        if self._tag in _MAX_COUNT:
            self._counts[self._tag] += 1
            if self._counts[self._tag] > _MAX_COUNT[self._tag]:
                raise self._too_much()

    def _end(self, _: str) -> None:
        self._depth -= 1

    def _check_text(self, place: int) -> None:
        if place - self._tagged > (_MAX_FORMAT if self._tag == "numFmt" else MAX_TEXT):
            raise self._too_much()

    def _too_much(self) -> CannotImportError:
        return self._meter.too_big("too much content in one piece", "内容过多或过于复杂")

    def _doctype(self, *_: object) -> None:
        raise self._meter.too_big("definitions of its own (DOCTYPE)", "内部带有 DOCTYPE 定义")
