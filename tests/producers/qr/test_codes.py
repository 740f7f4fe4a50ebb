"""What is printed: a link in a code, four cards on a page."""

import json
from datetime import timedelta
from pathlib import Path
from xml.etree import ElementTree as ET
from zoneinfo import ZoneInfo

import pytest
import segno
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from pipeline.seal_keys import Seal
from producers.errors import InputError
from producers.qr.codes import QUIET, code, link, save, svg
from producers.qr.making import CASE_DAYS, PLACE_DAYS, About, case, expiry, place, tokens_of
from producers.qr.sheet import Hall, cards, sheet, windows
from producers.tokens import Kind, Tokens
from schemas import reading
from schemas.events import ReviewEvent
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
    with pytest.raises(InputError, match="no XLSX workbook"):
        windows(file)
    (tmp_path / "link.csv").symlink_to(file)
    with pytest.raises(InputError, match="links are not followed"):
        windows(tmp_path / "link.csv")
    with pytest.raises(InputError, match="is not there"):
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


@pytest.mark.parametrize("typed", ["MX2", " MX2", "MX2\n", "\u3000MX2\x00"])
def test_a_case_has_one_token_however_its_number_is_typed(typed: str) -> None:
    made = case(TOKENS, typed, 1, About(" 设立登记\n", "D1 ", "H1"))
    assert made == case(TOKENS, "MX2", 1, About("设立登记", "D1", "H1"))
    assert TOKENS.case_id(typed, 1) == TOKENS.case_id("MX2", 1), "whoever makes it"


@pytest.mark.parametrize(
    ("kind", "code", "about", "sentence"),
    [
        (Kind.WINDOW, "", About("窗口"), "the code of the window is missing"),
        (Kind.HALL, " \n", About("大厅"), "the code of the hall is missing"),
        (Kind.WINDOW, "W" * 65, About("窗口"), "window_code: .* <= 64"),
        (Kind.ITEM, "1", About("事项", "D" * 65), "dept_code: .* <= 64"),
        (Kind.WINDOW, "W1", About(" \n"), "--name is missing"),
    ],
)
def test_no_code_is_drawn_whose_reviews_would_be_refused(
    kind: Kind, code: str, about: About, sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence):
        place(kind, code, about)


@pytest.mark.parametrize("typed", ["", "\n", "M" * 65])
def test_a_case_s_number_is_the_contract_s(typed: str) -> None:
    with pytest.raises(InputError, match="1 to 64"):
        case(TOKENS, typed, 1, About())
    with pytest.raises(InputError, match="hall_code"):
        case(TOKENS, "MX1", 1, About(hall_code="H" * 65))


def test_a_window_of_a_list_is_cleaned_and_refused_by_its_row(tmp_path: Path) -> None:
    file, long = tmp_path / "windows.csv", "W" * 65
    file.write_text(f"window_code,name\nW\x7f1,窗口\n{long},窗口\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"row 3: window_code: .* <= 64"):
        windows(file)
    file.write_text("window_code,name\nW\x7f1,窗口\n", encoding="utf-8")
    assert windows(file)[0].window_code == "W1"
    with pytest.raises(InputError, match="hall_code"):
        cards(TOKENS, "https://hcp.example", Hall("H" * 65, "大厅"), windows(file), NOW + timedelta(days=1))


@hypothesis_settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(["", "D", "é", "政", "𠮷", '"', "\\", "x\u0301"]),
    st.integers(0, 64),
    st.sampled_from([*Kind, None]),
)
def test_every_code_that_is_made_can_be_read_and_reviewed_with(
    letter: str, length: int, kind: Kind | None
) -> None:
    text = (letter * length) or "X"
    about = About(text * 4, *([text] * 3))
    try:
        made = case(TOKENS, text, 99, about) if kind is None else place(kind, text, about)
    except InputError:
        return
    token = TOKENS.make(made, NOW + timedelta(days=1))
    read = TOKENS.read(token)
    assert read.fields() == made.fields()
    assert read.name == made.name[:80]
    assert code(link("https://hcp.example", token)).error == "M", "it can be drawn"
    said = {"event_id": "e", "satisfaction": 1, "submitted_at": NOW.isoformat(), "channel": read.channel}
    taken = reading.read(ReviewEvent, json.dumps(said | read.fields()).encode(), NOW)
    assert said | read.fields() == {name: getattr(taken.event, name) for name in said | read.fields()} | {
        "submitted_at": NOW.isoformat()
    }


def test_without_a_key_it_says_where_to_run() -> None:
    with pytest.raises(InputError, match="hcp up"):
        tokens_of(Seal())
    assert isinstance(tokens_of(Seal.model_validate({"current": "a", "keys": {"a": KEY}})), Tokens)
