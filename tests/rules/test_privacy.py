"""Scrubbing: no number that reaches a person survives, however it is written; dates, codes and ordinary figures stay."""

import time
import unicodedata
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.privacy import mask, scrub
from schemas.catalogue import departments
from schemas.identifiers import uuid7
from schemas.phone import phone

MASKED = [
    ("打我电话13800135678谢谢", "打我电话138****5678谢谢"),
    ("138 0013 5678", "138****5678"),
    ("138-0013-5678", "138****5678"),
    ("139,1234,5671", "139****5671"),
    ("139，1234。5671", "139****5671"),
    ("139/1234/5671", "139****5671"),
    ("(139)12345671", "(139****5671"),
    ("139【1234】5671", "139****5671"),
    ("139*1234*5671", "139****5671"),
    ("139\u00ad1234\u00ad5671", "139****5671"),
    ("13\u20619123\u206245\u2063671\u2064", "139****5671\u2064"),
    ("①③⑨①②③④⑤⑥⑦①", "139****5671"),
    ("⑬9️⃣1️⃣234❺671", "139****5671"),
    ("1\u31649\u11603\u180e1\u28002\u034f3\ufe0f4_5\u202e6=7\x001", "193****5671"),
    ("１３８００１３５６７８", "138****5678"),
    ("𝟏𝟑𝟖𝟎𝟎𝟏𝟑𝟓𝟔𝟕𝟖", "138****5678"),
    ("१३८००१३५६७८", "138****5678"),
    ("1 3 8—0 0 1 3—5 6 7 8", "138****5678"),
    ("138\u200b0013\n5678", "138****5678"),
    ("+8613800135678", "+86138****5678"),
    ("8613800-135678", "86138****5678"),
    ("13800135678、15900001111", "138****5678、159****1111"),
    ("电话13800135678，3号窗口", "电话138****5678，3号窗口"),
    ("2026-06-10，13800135678", "2026-06-10，138****5678"),
    ("13 20260610 1", "132****6101"),
    ("1990-12-31 1:23", "199****1123"),
    ("身份证61032619900101123X", "身份证6***************3X"),
    ("610326 19900101 1234", "6***************34"),
    ("610326/1990.01.01/1234", "6***************34"),
    ("６１０３２６１９９００１０１１２３Ｘ", "6***************3X"),
    ("610326900101123", "6************23"),
    ("6222021234567890123", "6****************23"),
    ("6222 0212 3456 7890", "6*************90"),
    ("1111000000000000000001111111111", "1****************************11"),
    ("61032619900101123X610326199001011234", "6***************3X6***************34"),
    ("0917-5542345", "0917-*****45"),
    ("（0917）5542345", "（0917-*****45"),
    ("029 88234567", "029-******67"),
    ("029-2026-06-10", "029-******10"),
    ("029-87654321转802", "029-******21转802"),
    ("400-810-8888", "********88"),
    ("家里5542345", "家里*****45"),
    ("座机 8765-4321", "座机 ******21"),
    ("88234567", "******67"),
    ("1120120119 号", "********19 号"),
]


@pytest.mark.parametrize(("said", "shown"), MASKED)
def test_a_number_is_masked(said: str, shown: str) -> None:
    assert scrub(said) == shown


@pytest.mark.parametrize(
    "said",
    [
        "2026年6月10日9点30分排到第128号，等了150分钟",
        "2026-06-10 15:20",
        "2026-06-10 15:20:30，2026/6/11 9:05",
        "2026-06-10T15:20:30.123456+08:00",
        "20260610",
        "交了1200.50元，跑了3趟",
        "打12345和110",
        "办件MX20261123000451没人管",
        "SIM1-20260610-0001",
        f"{departments()[0].code}没回复",
        f"事项 {departments()[5].item_code(12)}（{departments()[5].code}）",
        str(uuid7(1_800_000_000_000, 12345678901234567890)),
        "e\u0301 ① ½ Ⅷ ﷺ",
        "",
    ],
)
def test_dates_codes_and_figures_stay(said: str) -> None:
    assert scrub(said) == said


def test_a_code_keeps_its_short_numbers_and_hides_a_phone() -> None:
    for code in (
        "5542345",
        "610326-0042",
        "610326-2026-000123",
        "MX20261123000451",
        departments()[3].item_code(7),
    ):
        assert mask(code) == code
    assert mask("w13800135678") == "w138****5678"
    assert mask("139,1234/5671") == "139****5671"
    assert mask("61032619900101123X") == "6***************3X"


UNSEEN = "\u00ad\u200b\u200d\u2061\u2062\u2063\u2064\ufeff\u3164\u115f\u2800\ufe0f\u20e3\u0301"


def has_no_figure(text: str) -> bool:
    """Neither digit nor X, in no sign of it either: `㏠` is 1日, a digit and a letter."""
    return not any(char.isdigit() or char in "Xx" for char in unicodedata.normalize("NFKC", text))


gaps = st.text(
    st.sampled_from(f" -－—,，、。/()（）【】.·•*_\n\t+#|{UNSEEN}")
    | st.characters(exclude_categories=("L", "N", "Cs")),
    max_size=3,
).filter(has_no_figure)
digits = st.sampled_from(
    ["0123456789", "０１２３４５６７８９", "𝟎𝟏𝟐𝟑𝟒𝟓𝟔𝟕𝟖𝟗", "٠١٢٣٤٥٦٧٨٩", "⓪①②③④⑤⑥⑦⑧⑨", "⁰¹²³⁴⁵⁶⁷⁸⁹"]
)
around = st.text(st.characters(exclude_categories=("N", "Cs")), max_size=20).filter(has_no_figure)


@st.composite
def identity_numbers(draw: st.DrawFn) -> str:
    born = draw(st.dates(date(1900, 1, 1), date(2026, 12, 31)))
    region, serial = draw(st.integers(110000, 829999)), draw(st.integers(0, 999))
    old = f"{region}{born:%y%m%d}{serial:03d}"
    return draw(
        st.sampled_from([old, f"{region}{born:%Y%m%d}{serial:03d}" + draw(st.sampled_from("0123456789X"))])
    )


@st.composite
def bank_cards(draw: st.DrawFn) -> str:
    body = "62" + draw(st.from_regex(r"[0-9]{13,16}", fullmatch=True))
    doubled = [int(digit) * (2 - place % 2) for place, digit in enumerate(reversed(body))]
    return body + str(-sum(digit // 10 + digit % 10 for digit in doubled) % 10)


def is_no_date(number: str) -> bool:
    """20260610 is read as a day; so is 2026-6-10."""
    return not number.startswith(("19", "20")) or len(number) > 8


kinds = st.one_of(
    st.tuples(st.from_regex(r"1[3-9][0-9]{9}", fullmatch=True), st.just(7)),
    st.tuples(st.from_regex(r"(00)?861[3-9][0-9]{9}", fullmatch=True), st.just(11)),
    st.tuples(st.from_regex(r"0[1-9][0-9]{1,2}[2-9][0-9]{6,7}", fullmatch=True), st.just(6)),
    st.tuples(
        st.from_regex(r"[2-9][0-9]{6,7}|[48]00[0-9]{7}", fullmatch=True).filter(is_no_date), st.just(2)
    ),
    st.tuples(identity_numbers(), st.just(3)),
    st.tuples(bank_cards(), st.just(3)),
)
"""A number, and how many of its digits may be shown."""


@given(st.data(), kinds, digits)
def test_no_disguise_shows_more_than_is_allowed(
    data: st.DataObject, kind: tuple[str, int], form: str
) -> None:
    number, allowed = kind
    typed = "".join(
        data.draw(gaps)
        + (data.draw(st.sampled_from([digit, form[int(digit)]])) if digit.isdigit() else digit)
        for digit in number
    )
    said = data.draw(around) + typed + data.draw(around)
    shown = [char for char in unicodedata.normalize("NFKC", scrub(said)) if char.isdigit() or char in "Xx"]
    assert len(shown) <= allowed


numbers = st.from_regex(r"1[3-9][0-9]{9}|(0[1-9][0-9]{1,2})?[2-9][0-9]{6,7}|[48]00[0-9]{7}", fullmatch=True)


@given(
    st.data(),
    numbers.filter(is_no_date),
    st.sampled_from(["", "86", "+86 ", "0086-"]),
    st.sampled_from(["", "-802", "转 6", "#12"]),
)
def test_what_our_forms_take_for_a_phone_is_masked(
    data: st.DataObject, number: str, country: str, more: str
) -> None:
    between = st.text(" ()-–.·\u200b−‐", max_size=2)
    typed = country + "".join(data.draw(between) + digit for digit in number) + more
    assert phone(typed) == "" or phone(scrub(typed)) == ""


@given(st.text(max_size=200))
def test_text_without_a_long_number_comes_back_as_it_is(text: str) -> None:
    if sum(char.isnumeric() for char in unicodedata.normalize("NFKC", text)) < 7:
        assert scrub(text) == text


@pytest.mark.parametrize(
    "piece",
    [
        "1 ",
        "1" + " " * 4000,
        "20260610 ",
        "0917 ",
        "13",
        "1" + "\u0301" * 1000,
        "2026-06-10 15:20 ",
        "A1",
        "ﷺ1",
        "①",
    ],
)
def test_the_longest_record_is_scrubbed_in_linear_time(piece: str) -> None:
    text = (piece * 64 * 1024)[: 64 * 1024]
    began = time.perf_counter()
    scrub(text)
    mask(text)
    assert time.perf_counter() - began < 10, "quadratic would be minutes"
