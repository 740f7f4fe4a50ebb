"""Workbooks made by hand, part by part: damaged, lying about their sizes, or a few kilobytes that stand for gigabytes."""

import struct
import zlib
from pathlib import Path
from typing import NamedTuple

MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_KIND = "application/vnd.openxmlformats-officedocument.spreadsheetml"
SHEET, STRINGS, STYLES = "xl/worksheets/sheet1.xml", "xl/sharedStrings.xml", "xl/styles.xml"
BOOK, TYPES, RELS = "xl/workbook.xml", "[Content_Types].xml", "xl/_rels/workbook.xml.rels"
ROWS, ROWS_END = f"<worksheet {MAIN}><sheetData>", "</sheetData></worksheet>"
HEAD = '<row><c t="inlineStr"><is><t>a</t></is></c></row>'


class Part(NamedTuple):
    """A part as it lies in the zip. `size`, `crc`: as the zip states them. `method`: 8 is deflate."""

    data: bytes
    size: int
    crc: int
    method: int = 8
    flags: int = 0


def part(head: str, again: str = "", times: int = 0, tail: str = "") -> Part:
    """The text `head`, so many times `again`, `tail`; deflated once, however often it is repeated."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    texts = [head.encode(), again.encode(), tail.encode()]
    first, block = (packer.compress(text) + packer.flush(zlib.Z_FULL_FLUSH) for text in texts[:2])
    last = packer.compress(texts[2]) + packer.flush()
    crc = zlib.crc32(texts[0])
    for _ in range(times):
        crc = zlib.crc32(texts[1], crc)
    size = len(texts[0]) + len(texts[1]) * times + len(texts[2])
    return Part(first + block * times + last, size, zlib.crc32(texts[2], crc))


def rows(head: str, again: str = "", times: int = 0, tail: str = "") -> dict[str, Part]:
    """A sheet of these rows."""
    return {SHEET: part(ROWS + head, again, times, tail + ROWS_END)}


def workbook(path: Path | bytes, parts: dict[str, Part] | None = None) -> None:
    """Write a workbook in which these parts stand for those of a good one."""
    write(path, {name: part(text) for name, text in _GOOD.items()} | (parts or {}))


def write(path: Path | bytes, parts: dict[str, Part], directory: bytes | None = None) -> None:
    """Write a zip of these parts. `directory`: what stands in the directory's place."""
    body, entries = b"", b""
    for name, one in parts.items():
        stated = struct.pack("<IIIHH", one.crc, len(one.data), one.size, len(name.encode()), 0)
        head = struct.pack("<HHHHH", 20, one.flags, one.method, 0, 33) + stated
        entries += b"PK\1\2" + struct.pack("<H", 20) + head + struct.pack("<HHHII", 0, 0, 0, 0, len(body))
        entries += name.encode()
        body += b"PK\3\4" + head + name.encode() + one.data
    entries = entries if directory is None else directory
    end = struct.pack("<HHHHIIH", 0, 0, len(parts), len(parts), len(entries), len(body), 0)
    with open(path, "wb") as out:  # noqa: PTH123  the name may be bytes
        out.write(body + entries + b"PK\5\6" + end)


_GOOD = {
    TYPES: f'<Types xmlns="{_PACKAGE}/content-types">'
    + "".join(
        f'<Override PartName="/{name}" ContentType="{_KIND}.{kind}+xml"/>'
        for name, kind in (
            (BOOK, "sheet.main"),
            (SHEET, "worksheet"),
            (STRINGS, "sharedStrings"),
            (STYLES, "styles"),
        )
    )
    + "</Types>",
    BOOK: f'<workbook {MAIN} xmlns:r="{_OFFICE}"><sheets><sheet name="S" sheetId="1" r:id="r1"/></sheets></workbook>',
    RELS: f'<Relationships xmlns="{_PACKAGE}/relationships">'
    f'<Relationship Id="r1" Type="{_OFFICE}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
    STYLES: f"<styleSheet {MAIN}/>",
    STRINGS: f"<sst {MAIN}><si><t>a</t></si></sst>",
    SHEET: f"{ROWS}{HEAD}<row><c><v>1</v></c></row>{ROWS_END}",
}
