"""What a sheet may hold: up to the bound it is read, beyond it is refused with a sentence that says what to do."""

from pathlib import Path

import pytest

from producers.errors import CannotImportError
from producers.sheets import archive, bounds, workbook
from producers.sheets.rows import count
from producers.sheets.sheet_file import opened
from tests.producers.sheets import zips
from tests.producers.sheets.zips import HEAD, MAIN, part, rows

TOO_BIG = r"split it into several files, or save it as CSV \(.*分成几个文件"
ROW = "<row><c><v>1</v></c></row>"


def rows_in(path: Path) -> int:
    with opened(path) as file:
        return count(file)


def csv_of(folder: Path, text: str) -> Path:
    (folder / "a.csv").write_text(text, encoding="utf-8")
    return folder / "a.csv"


def workbook_of(folder: Path, parts: dict[str, zips.Part]) -> Path:
    zips.workbook(folder / "a.xlsx", parts)
    return folder / "a.xlsx"


@pytest.fixture
def few_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "MAX_ROWS", {".csv": 3, ".xlsx": 3})


@pytest.mark.usefixtures("few_rows")
def test_rows(tmp_path: Path) -> None:
    assert rows_in(csv_of(tmp_path, "a\n" + "\n1\n" * 3)) == 3
    assert rows_in(workbook_of(tmp_path, rows(HEAD, f"<row/>{ROW}", 3))) == 3
    for path in (csv_of(tmp_path, "a\n" + "1\n" * 4), workbook_of(tmp_path, rows(HEAD, ROW, 4))):
        with pytest.raises(CannotImportError, match=f"more than 3 rows.*{TOO_BIG}"):
            rows_in(path)


def test_columns(tmp_path: Path) -> None:
    most = bounds.MAX_COLUMNS
    named = ",".join(map(str, range(most)))
    assert rows_in(csv_of(tmp_path, f"{named},,,\n1\n")) == 1
    for text in (f"{named},x\n1\n", f"{named}\n{'1,' * most}1\n"):
        with pytest.raises(CannotImportError, match=f"more than {most} columns.*{TOO_BIG}"):
            rows_in(csv_of(tmp_path, text))


@pytest.mark.parametrize("kind", [".csv", ".xlsx"])
def test_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    path = csv_of(tmp_path, "a\n1\n") if kind == ".csv" else workbook_of(tmp_path, {})
    size = path.stat().st_size
    monkeypatch.setitem(bounds.MAX_BYTES, kind, size)
    assert rows_in(path) == 1
    monkeypatch.setitem(bounds.MAX_BYTES, kind, size - 1)
    with pytest.raises(CannotImportError, match=f"more than 0 MB.*{TOO_BIG}"):
        rows_in(path)


def test_a_file_without_a_size_is_no_way_round(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What /proc shows has the size 0, and what grows has another one when it is read."""
    monkeypatch.setitem(bounds.MAX_BYTES, ".csv", 10)
    path = csv_of(tmp_path, "")
    with opened(path) as file, path.open("ab") as out, path.open("rb") as source:
        out.write(b"a\n" * 10)
        out.flush()
        with pytest.raises(CannotImportError, match=TOO_BIG):
            file._take_copy(source)


@pytest.mark.parametrize("kind", [".csv", ".xlsx"])
def test_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setattr(bounds, "MAX_SECONDS", -1)
    with pytest.raises(CannotImportError, match=f"more than can be read in -1 s.*{TOO_BIG}"):
        rows_in(csv_of(tmp_path, "a\n1\n") if kind == ".csv" else workbook_of(tmp_path, {}))


def test_what_is_unpacked_is_counted_whatever_the_zip_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = rows(HEAD + ROW, " " * 1_000, 100)
    assert rows_in(workbook_of(tmp_path, parts)) == 1
    monkeypatch.setattr(archive, "MAX_UNPACKED", 100_000)
    with pytest.raises(CannotImportError, match=TOO_BIG):
        rows_in(workbook_of(tmp_path, parts))


def test_texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = {zips.STRINGS: part(f"<sst {MAIN}>", "<si><t>a</t></si>", 100, "</sst>")}
    assert rows_in(workbook_of(tmp_path, texts)) == 1
    monkeypatch.setitem(archive._MAX_COUNT, "si", 99)
    with pytest.raises(CannotImportError, match=TOO_BIG):
        rows_in(workbook_of(tmp_path, texts))
    monkeypatch.setitem(archive._MAX_COUNT, "si", 100)
    monkeypatch.setattr(archive, "MAX_STRINGS", 1_000)
    with pytest.raises(CannotImportError, match=TOO_BIG):
        rows_in(workbook_of(tmp_path, texts))


def test_a_part_that_is_held_whole_is_a_small_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    styles = {zips.STYLES: part(f"<styleSheet {MAIN}>", " " * 100, 100, "</styleSheet>")}
    assert rows_in(workbook_of(tmp_path, styles)) == 1
    monkeypatch.setattr(archive, "MAX_FRAME", 9_000)
    with pytest.raises(CannotImportError, match=TOO_BIG):
        rows_in(workbook_of(tmp_path, styles))


def test_blank_lines_count_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (bounds, workbook):
        monkeypatch.setattr(module, "MAX_LINES", 1_000)
    last = '<row r="1000"><c><v>1</v></c></row>'
    assert rows_in(workbook_of(tmp_path, rows(HEAD + last))) == 1
    beyond = '<row r="1001"><c><v>1</v></c></row>'
    for path in (workbook_of(tmp_path, rows(HEAD + beyond)), csv_of(tmp_path, "a\n1\n" + "\n" * 999)):
        with pytest.raises(CannotImportError, match=TOO_BIG):
            rows_in(path)


def test_what_no_row_needs_is_not_read(tmp_path: Path) -> None:
    """Openpyxl takes minutes for it, and asks nobody."""
    parts = rows(HEAD + ROW)
    parts[zips.SHEET] = part(
        f"{zips.ROWS}{HEAD}{ROW}</sheetData><dataValidations>",
        f'<dataValidation sqref="{"A1 " * 60_000}"/>',
        100,
    )
    assert rows_in(workbook_of(tmp_path, parts)) == 1


def test_a_workbook_of_a_hundred_sheets(tmp_path: Path) -> None:
    for many in (100, 101):
        sheets = "".join(
            f'<sheet name="S{n}" sheetId="{n}" state="hidden" r:id="r1"/>' for n in range(many - 1)
        )
        office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
        shown = '<sheet name="S" sheetId="1" r:id="r1"/>'
        book = {
            zips.BOOK: part(
                f'<workbook {MAIN} xmlns:r="{office}"><sheets>{shown}{sheets}</sheets></workbook>'
            )
        }
        if many == 100:
            assert rows_in(workbook_of(tmp_path, book)) == 1
        else:
            with pytest.raises(CannotImportError, match=TOO_BIG):
                rows_in(workbook_of(tmp_path, book))
