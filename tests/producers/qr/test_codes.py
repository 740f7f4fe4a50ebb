"""What is printed: a link in a code, four cards on a page."""

from datetime import timedelta
from pathlib import Path
from xml.etree import ElementTree as ET
from zoneinfo import ZoneInfo

import pytest
import segno

from pipeline.settings import Seal
from producers.errors import InputError
from producers.qr.codes import QUIET, code, link, save, svg
from producers.qr.making import CASE_DAYS, PLACE_DAYS, About, case, expiry, place, tokens_of
from producers.qr.sheet import Hall, cards, sheet, windows
from producers.tokens import Kind, Tokens
from tests.producers.qr.walls import KEY, NOW, TOKENS, WINDOW

ZONE = ZoneInfo("Asia/Shanghai")
LINK = link("https://hcp.example", TOKENS.make(WINDOW, NOW + timedelta(days=365)))


def test_a_window_s_code_is_of_a_printable_density() -> None:
    made = code(LINK)
    modules = made.symbol_size(border=0)[0]
    assert made.error == "M"
    assert modules <= 61, "over 1.1 mm a module at 7 cm"


def test_svg_and_png_are_written(tmp_path: Path) -> None:
    drawing = ET.fromstring(svg(LINK))  # noqa: S314  our own
    size = code(LINK).symbol_size(border=QUIET)[0]
    assert drawing.get("viewBox") == f"0 0 {size} {size}"
    save(LINK, tmp_path / "w.svg")
    save(LINK, tmp_path / "w.PNG")
    assert (tmp_path / "w.PNG").read_bytes()[:4] == b"\x89PNG"
    assert "<svg" in (tmp_path / "w.svg").read_text(encoding="utf-8")
    with pytest.raises(InputError, match=r"\.svg or \.png"):
        save(LINK, tmp_path / "w.gif")


def test_the_code_says_the_link_and_no_other() -> None:
    assert code(LINK) == segno.make_qr(LINK, error="m")
    assert code(LINK) != code(LINK + "x")


def test_a_sheet_has_a_card_for_each_window(tmp_path: Path) -> None:
    file = tmp_path / "windows.csv"
    file.write_text(
        "\ufeffwindow_code,name,dept_code\nW01,1号 <综合> 窗口,D1\nW02, 2号窗口 ,\n", encoding="utf-8"
    )
    hall, expires = Hall("H1", "眉县政务大厅"), NOW + timedelta(days=1)
    made = cards(TOKENS, "https://hcp.example", hall, windows(file), expires)
    page = sheet(hall, made, expires, ZONE)
    assert page.count("扫码评价") == 2
    assert "1号 &lt;综合&gt; 窗口" in page
    assert page.count("<svg") == 2
    assert "有效期至 2026年11月24日" in page
    assert made[0].svg != made[1].svg


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("window_code,name\n", "has no windows"),
        ("code,name\nW1,窗口\n", "row 2: window_code and name"),
        ("window_code,name\nW1\n", "row 2: window_code and name"),
        ("window_code,name\nW1,甲\nW2," + "长" * 41, "row 3: the name has more than 40"),
    ],
)
def test_a_wrong_list_is_told_by_its_row(tmp_path: Path, text: str, sentence: str) -> None:
    file = tmp_path / "windows.csv"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=sentence):
        windows(file)


def test_a_list_that_is_no_text(tmp_path: Path) -> None:
    file = tmp_path / "windows.xlsx"
    file.write_bytes(b"PK\xff\xfe")
    with pytest.raises(InputError, match="cannot be read as CSV"):
        windows(file)
    with pytest.raises(InputError, match="cannot be read as CSV"):
        windows(tmp_path / "none.csv")


def test_every_kind_of_place_names_its_code() -> None:
    about = About("名称", "D", "H", "I")
    made = {kind: place(kind, "X", about).fields() for kind in Kind}
    assert made[Kind.WINDOW] == {"dept_code": "D", "hall_code": "H", "window_code": "X", "item_code": "I"}
    assert (
        made[Kind.HALL]["hall_code"]
        == made[Kind.ITEM]["item_code"]
        == made[Kind.DEPARTMENT]["dept_code"]
        == "X"
    )
    with pytest.raises(InputError, match="--name"):
        place(Kind.WINDOW, "X", About())


def test_a_case_and_the_usual_days() -> None:
    made = case(TOKENS, "MX1", 2, About("设立登记"))
    assert (made.token_id, made.channel, made.name) == (TOKENS.case_id("MX1", 2), "qr", "设立登记")
    assert expiry(made, 0, NOW) - NOW == timedelta(days=CASE_DAYS)
    assert expiry(WINDOW, 0, NOW) - NOW == timedelta(days=PLACE_DAYS)
    assert expiry(WINDOW, 7, NOW) - NOW == timedelta(days=7)
    with pytest.raises(InputError, match="1 to 64"):
        case(TOKENS, "", 1, About())


def test_without_a_key_it_says_where_to_run() -> None:
    with pytest.raises(InputError, match="hcp up"):
        tokens_of(Seal())
    assert isinstance(tokens_of(Seal.model_validate({"current": "a", "keys": {"a": KEY}})), Tokens)
