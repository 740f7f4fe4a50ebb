"""Two hundred files of every odd name, size, link and content, and what is to become of each."""

import os
import socket
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import NamedTuple

from producers.sheets.bounds import MAX_BYTES, MAX_CELL, MAX_RECORD, MAX_ROWS
from tests.producers.imports.test_cases import HEADER, line
from tests.producers.imports.workbooks import department_workbook
from tests.producers.sheets import zips
from tests.producers.sheets.zips import HEAD, MAIN, part, rows

SECRET = "geheim-0600"
DONE = ""
"""What is to become of a file that is imported; of all others, what is said."""
NO_COLUMN, DAMAGED, TOO_BIG = (
    "there is no column",
    "no XLSX workbook, or a damaged one",
    "split it into several files",
)
LINK, NO_FILE, KIND = "links are not followed", "is no file but a", "neither .csv nor .xlsx"
EITHER = f"{NO_COLUMN}|{DAMAGED}|has no header|no rows|more than one column"


class Odd(NamedTuple):
    """A file: its name, and what is said of it (a pattern)."""

    name: bytes
    said: str


def odd_files(folder: Path) -> list[Odd]:
    """Put them into the folder, beside which a secret lies."""
    secret = folder.parent / "secret.csv"
    secret.write_text(f"{SECRET}\n1\n", encoding="utf-8")
    secret.chmod(0o600)
    makers = (_names, _sizes, _others, _links, _texts, _damaged, _bombs)
    return [odd for make in makers for odd in make(folder)]


def _put(folder: Path, name: str | bytes, content: str | bytes, said: str) -> Odd:
    raw = os.fsencode(name)
    with open(os.fsencode(folder) + b"/" + raw, "wb") as out:  # noqa: PTH123  the name may be bytes
        out.write(content if isinstance(content, bytes) else content.encode())
    return Odd(raw, said)


def _good(number: int) -> str:
    return f"{HEADER}\n{line(number)}\n"


def _names(folder: Path) -> Iterator[Odd]:
    names: list[str | bytes] = [
        "办件.csv", "名\n行.csv", "\t.csv", " .csv", "a\rb.csv", "\x1b[2J\x1b]0;x\x07.csv", "\u202egnp.csv", "x\u200b.csv",
        "😀.csv", "e\u0301" * 40 + ".csv", "-rf.csv", "--help.csv", "%s%n.csv", "$(reboot).csv", "`id`.csv", ";rm.csv",
        '"quoted".csv', "it's.csv", "\\.csv", "a b  c.csv", "a..csv", "=1+1.csv", "CASES.CSV", "con.csv",
        "{0}.csv", "<script>.csv", "*.csv", "?.csv", "done.csv", "refused.csv", "x.csv.errors.csv", "x.csv",
        b"\xff.csv", b"\xb0\xec\xbc\xfe.csv", b"\xe5\x8a.csv", b"a\x80\n\xfe.csv", b"\xed\xa0\x80.csv",
        "n" * 251 + ".csv", "名" * 83 + "ab.csv", b"\xff" * 251 + b".csv", "n" * 250 + "2.csv", "😀" * 62 + "abc.csv",
    ]  # fmt: skip
    for number, name in enumerate(names):
        yield _put(folder, name, _good(number), DONE)
    unknown: list[str | bytes] = [
        "n" * 255, b"\xff" * 255, "a." + "b" * 253, "cases", "cases.xls", "cases.xlsm", "cases.txt", "cases.csv ", "cases.csv.gz",
        "cases.pdf", "cases.doc", "a.csv\n", "cases.ods", "cases.csv~", "x.XLSB", b"cases.csv\xff",
    ]  # fmt: skip
    for name in unknown:
        yield _put(folder, name, _good(1), KIND)
    for tray in ("done", "refused"):
        (folder / tray).mkdir()
        for name in (
            "办件.csv",
            "a.pdf",
            "same.csv",
            "same.csv.errors.csv",
            "own.csv.remarks.csv",
            "n" * 251 + ".csv",
        ):
            (folder / tray / name).write_text("somebody's", encoding="utf-8")
    yield _put(folder, "same.csv", _good(998), DONE)
    yield _put(folder, "own.csv", _good(997), DONE)
    yield _put(folder, "a.pdf", "%PDF", KIND)


def _sizes(folder: Path) -> Iterator[Odd]:
    yield _put(folder, "empty.csv", b"", "has no header")
    yield _put(folder, "empty.xlsx", b"", DAMAGED)
    yield _put(folder, "one.csv", b"1", "no rows")
    yield _put(folder, "bom.csv", b"\xef\xbb\xbf", "has no header")
    yield _put(folder, "line ends.csv", b"\r\n" * 1000, "has no header")
    yield _put(folder, "header.csv", HEADER, "no rows")
    for kind, most in MAX_BYTES.items():
        odd = _put(folder, f"sparse{kind}", b"", TOO_BIG)
        os.truncate(folder / f"sparse{kind}", most + 1)
        yield odd
    yield _put(folder, "long line.csv", b"a" * 100_000_000, TOO_BIG)
    yield _put(folder, "long row of cells.csv", b"a," * 50_000_000, TOO_BIG)
    yield _put(folder, "long lines.csv", f"{HEADER}\n" + "a,\n" * 10 + "," * (MAX_RECORD + 1), TOO_BIG)
    yield _put(folder, "long row.csv", "a,b\n" + '"\n",' * MAX_RECORD, TOO_BIG)
    yield _put(folder, "open quote.csv", 'a,b\n"' + "x,y\n" * 1_000_000, "quotation mark")
    yield _put(folder, "long cell.csv", f"a,b\n1,{'x' * (MAX_CELL + 1)}\n", "too long|more than 131,072")
    yield _put(folder, "long heading.csv", "x" * (MAX_CELL + 1), "more than 131,072")
    yield _put(folder, "wide.csv", ",".join(map(str, range(10_000))) + "\n1\n", TOO_BIG)
    yield _put(folder, "wider.csv", HEADER + "\n" + "1," * 1_000_000, TOO_BIG)
    yield _put(folder, "rows.csv", "a\n" + "1\n" * (MAX_ROWS[".csv"] + 1), TOO_BIG)
    yield _put(folder, "blank.csv", _good(999) + "\n" * 100_000, DONE)


def _others(folder: Path) -> Iterator[Odd]:
    for name in ("pipe.csv", "pipe.xlsx", "pipe"):
        os.mkfifo(folder / name)
        yield Odd(name.encode(), NO_FILE)
    handle = os.open(folder, os.O_RDONLY)
    for name in ("socket.csv", "socket.xlsx"):
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(f"/proc/self/fd/{handle}/{name}")  # a socket's path may have 107 bytes only
        yield Odd(name.encode(), NO_FILE)
    os.close(handle)
    for name in ("folder.csv", "folder.xlsx"):
        (folder / name).mkdir()
        yield Odd(name.encode(), NO_FILE)
    with suppress(PermissionError):  # not everybody may make one
        os.mknod(folder / "zeros.csv", 0o20666, os.makedev(1, 5))
        yield Odd(b"zeros.csv", NO_FILE)


def _links(folder: Path) -> Iterator[Odd]:
    targets = {
        "secret": "../secret.csv",
        "absolute": str(folder.parent / "secret.csv"),
        "dangling": "nothing",
        "loop": "to loop.csv",
        "folder": "..",
        "zeros": "/dev/zero",
        "stdin": "/dev/stdin",
        "proc": "/proc/self/mem",
        "tray": "done",
        "long": "x/" * 1000,
        "neighbour": "办件.csv",
    }
    for name, target in targets.items():
        (folder / f"to {name}.csv").symlink_to(target)
        yield Odd(f"to {name}.csv".encode(), LINK)
    for name in ("link", "link.xlsx", "link\n.csv"):
        (folder / name).symlink_to("../secret.csv")
        yield Odd(name.encode(), LINK)
    odd = _put(folder, "first.csv", _good(1000), DONE)
    yield odd
    os.link(folder / "first.csv", folder / "second.csv")
    yield Odd(b"second.csv", DONE)


def _texts(folder: Path) -> Iterator[Odd]:
    good, no_text = _good(1), "neither in UTF-8 nor in GB18030"
    yield _put(folder, "gb18030.csv", good.encode("gb18030"), DONE)
    yield _put(folder, "bom and row.csv", "\ufeff" + good, DONE)
    yield _put(folder, "tabs.csv", good.replace(",", "\t"), DONE)
    yield _put(folder, "semicolons.csv", good.replace(",", ";"), DONE)
    yield _put(folder, "old mac.csv", good.replace("\n", "\r"), DONE)
    yield _put(folder, "no end.csv", good.rstrip(), DONE)
    for encoding in ("utf-16", "utf-16-le", "utf-32", "utf-7"):
        said = no_text if encoding != "utf-7" else NO_COLUMN
        yield _put(folder, f"{encoding}.csv", good.encode(encoding), said)
    yield _put(folder, "nul.csv", good + "\0", no_text)
    yield _put(folder, "broken.csv", good.encode() + b"\xff\xff", no_text)
    yield _put(folder, "cut.csv", good.encode() + "办".encode()[:2], no_text)
    contents: dict[str, str | bytes] = {
        "page.csv": "<html><body>404</body></html>\nx\n",
        "json.csv": '{"a": 1}\n{"a": 2}\n',
        "formula.csv": "=cmd|'/c calc'!A1\n=1+1\n",
        "shell.csv": "$(reboot)\n`id`\n",
        "columns.csv": "a,b\n1,2\n",
        "surrogate.csv": b"a\n\xed\xa0\x80\n",
        "marks.csv": "a\n" + "e" + "\u0301" * 100_000 + "\n",
        "controls.csv": "\x01\x02\x1b[2J\n1\n",
        "direction.csv": "\u202e\u200b\n1\n",
    }
    for name, content in contents.items():
        yield _put(folder, name, content, f"{NO_COLUMN}|{no_text}|quotation mark")
    yield _put(folder, "twice.csv", "a,a\n1,2\n", "more than one column")
    yield _put(folder, "quotes.csv", 'a"b\n"1"2"\n', "quotation mark")
    yield _put(folder, "bad rows.csv", f"{HEADER}\n" + "x\n" * 300, "行号")
    yield _put(folder, "number.csv", _good(1) + line(1, no="9" * 100_000) + "\n", "行号")
    yield _put(folder, "accents.csv", _good(1) + line(1, no="e" + "\u0301" * 100_000) + "\n", "行号")
    random = Random(11)
    for number in range(10):
        yield _put(
            folder, f"noise {number}.csv", random.randbytes(500), f"{EITHER}|{no_text}|quotation mark|MB"
        )


def _damaged(folder: Path) -> Iterator[Odd]:
    whole = department_workbook(folder.parent / "whole.xlsx").read_bytes()
    yield _put(folder, "workbook.xlsx", whole, "行号")
    yield _put(folder, "WORKBOOK.XLSX", whole, "行号")
    for number in range(1, 11):
        yield _put(folder, f"cut {number}.xlsx", whole[: len(whole) * number // 11], DAMAGED)
    random = Random(11)
    for number in range(10):
        changed = bytearray(whole)
        for _ in range(40):
            changed[random.randrange(len(whole))] = random.randrange(256)
        yield _put(folder, f"changed {number}.xlsx", bytes(changed), DAMAGED)
        yield _put(folder, f"noise {number}.xlsx", b"PK\3\4" + random.randbytes(500), DAMAGED)
    yield _put(folder, "text.xlsx", _good(1), DAMAGED)
    yield _put(folder, "password.xlsx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(4096), DAMAGED)
    yield _put(folder, "workbook.csv", whole, "neither in UTF-8")
    with zipfile.ZipFile(folder / "files.xlsx", "w") as plain:
        plain.writestr("cases.csv", _good(1))
    yield Odd(b"files.xlsx", DAMAGED)
    with zipfile.ZipFile(folder / "nothing.xlsx", "w"):
        pass
    yield Odd(b"nothing.xlsx", DAMAGED)
    sheet = part(f"{zips.ROWS}{HEAD}{zips.ROWS_END}")
    wrong = {
        "method": {zips.SHEET: sheet._replace(method=14)},
        "bzip2": {zips.STRINGS: sheet._replace(method=12)},
        "locked": {zips.SHEET: sheet._replace(flags=1)},
        "small": {zips.SHEET: sheet._replace(size=10)},
        "sum": {zips.SHEET: sheet._replace(crc=1)},
        "no xml": {zips.SHEET: part("office")},
        "no types": {zips.TYPES: part("<Types/>")},
        "no sheet": {zips.RELS: part("<Relationships/>")},
        "order": rows(HEAD + '<row r="9"><c><v>1</v></c></row><row r="3"><c><v>1</v></c></row>'),
        "row": rows('<row r="x"><c><v>1</v></c></row>'),
        "column": rows('<row><c r="ZZZZ1"><v>1</v></c></row>'),
        "digits": rows("<row><c><v>" + "9" * 100_000 + "</v></c></row>"),
        "string": rows('<row><c t="s"><v>9</v></c></row>'),
    }
    for name, parts in wrong.items():
        zips.workbook(folder / f"wrong {name}.xlsx", parts)
        yield Odd(f"wrong {name}.xlsx".encode(), DAMAGED)


def _bombs(folder: Path) -> Iterator[Odd]:
    entities = "".join(
        f'<!ENTITY {one} "{f"&{before};" * 10}">' for before, one in zip("abcdefgh", "bcdefghi", strict=True)
    )
    mib = 1024 * 1024
    bombs = {
        "rows": rows(HEAD, "<row><c><v>1</v></c></row>" * 20_000, 200),
        "gap": rows('<row r="2000000000"><c><v>1</v></c></row>'),
        "columns": rows(HEAD, '<row><c r="XFD1"><v>1</v></c></row>' * 2_000, 100),
        "one row": rows("<row>", "<c/>" * 100_000, 50, "</row>"),
        "cell": rows('<row><c t="str"><v>', "a" * mib, 50, "</v></c></row>"),
        "attribute": rows('<row x="', "a" * mib, 50, '"/>'),
        "deep": rows("", "<row>" * 100_000, 100),
        "spaces": rows("", " " * mib, 50),
        "texts": {zips.STRINGS: part(f"<sst {MAIN}>", f"<si><t>{'a' * 30_000}😀</t></si>", 20_000)},
        "runs": {zips.STRINGS: part(f"<sst {MAIN}><si>", "<r><t>a</t></r>" * 10_000, 100)},
        "styles": {zips.STYLES: part(f"<styleSheet {MAIN}><cellXfs>", "<xf/>" * 10_000, 100)},
        "format": {zips.STYLES: part(f'<styleSheet {MAIN}><numFmts><numFmt numFmtId="170" formatCode="{"[" * 500_000}"/>')},
        "sheets": {zips.BOOK: part(f"<workbook {MAIN}><sheets>", '<sheet name="S"/>' * 10_000, 10)},
        "types": {zips.TYPES: part("<Types>", " " * mib, 50)},
        "entities": {zips.SHEET: part(f'<!DOCTYPE x [<!ENTITY a "aaaa">{entities}]>{zips.ROWS}<row><c t="str"><v>&i;</v></c></row>')},
        "outside": {zips.SHEET: part(f'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>{zips.ROWS}')},
    }  # fmt: skip
    for name, parts in bombs.items():
        zips.workbook(folder / f"bomb {name}.xlsx", parts)
        yield Odd(f"bomb {name}.xlsx".encode(), TOO_BIG)
    tail = rows(HEAD + "<row><c><v>1</v></c></row>", "", 0, "")
    tail[zips.SHEET] = part(
        zips.ROWS + HEAD + "<row><c><v>1</v></c></row></sheetData><dataValidations>",
        f'<dataValidation sqref="{"A1 " * 60_000}"/>',
        100,
    )
    zips.workbook(folder / "bomb behind the rows.xlsx", tail)
    yield Odd(b"bomb behind the rows.xlsx", NO_COLUMN)
    zips.write(folder / "bomb parts.xlsx", {f"{n}": part("x") for n in range(20_000)})
    yield Odd(b"bomb parts.xlsx", TOO_BIG)
    overlapping = {name: part("<a/>") for name in ("a", "b")}
    zips.write(folder / "directory.xlsx", overlapping, directory=b"PK\1\2" + bytes(3 * mib))
    yield Odd(b"directory.xlsx", f"{DAMAGED}|{TOO_BIG}")
