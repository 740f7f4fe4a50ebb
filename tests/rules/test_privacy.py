"""Scrubbing: no mobile and no identity number survives, however it is written; ordinary figures stay."""

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.privacy import mask, scrub


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("打我电话13800135678谢谢", "打我电话138****5678谢谢"),
        ("138 0013 5678", "138****5678"),
        ("138-0013-5678", "138****5678"),
        ("１３８００１３５６７８", "138****5678"),
        ("1 3 8—0 0 1 3—5 6 7 8", "138****5678"),
        ("138\u200b0013\n5678", "138****5678"),
        ("+8613800135678", "+86138****5678"),
        ("13800135678、15900001111", "138****5678、159****1111"),
        ("身份证61032619900101123X", "身份证6***************3X"),
        ("610326 19900101 1234", "6***************34"),
        ("６１０３２６１９９００１０１１２３Ｘ", "6***************3Ｘ"),
        ("610326900101123", "6************23"),
        ("6222021234567890123", "6****************23"),
        ("1111000000000000000001111111111", "1****************************11"),
        ("61032619900101123X610326199001011234", "6***************3X6***************34"),
        ("0917-5542345", "0917-*****45"),
        ("（0917）5542345", "（0917-*****45"),
        ("029 88234567", "029-*****67"),
        ("家里5542345", "家里*****45"),
        ("2026年6月10日9点30分排到第128号，等了150分钟", "2026年6月10日9点30分排到第128号，等了150分钟"),
        ("2026-06-10 15:20", "2026-06-10 15:20"),
        ("20260610", "20260610"),
        ("交了1200.50元，跑了3趟", "交了1200.50元，跑了3趟"),
        ("打12345和110", "打12345和110"),
        ("", ""),
    ],
)
def test_scrub(said: str, shown: str) -> None:
    assert scrub(said) == shown


def test_a_code_keeps_its_short_numbers_and_hides_a_phone() -> None:
    assert mask("5542345") == "5542345"
    assert mask("610326-0042") == "610326-0042"
    assert mask("w13800135678") == "w138****5678"
    assert mask("61032619900101123X") == "6***************3X"


gaps = st.sampled_from(["", "", " ", "-", "\u3000", "—", "\u200b", "\n", ". ", "－"])
wide = str.maketrans("0123456789X", "０１２３４５６７８９Ｘ")
widths = st.sampled_from([{}, wide])
around = st.text(st.sampled_from("我要 投诉，123456789０-X\n"), max_size=24)


@st.composite
def written(draw: st.DrawFn, number: str) -> str:
    """A number as somebody types it, in the middle of other text."""
    typed = "".join(digit.translate(draw(widths)) + draw(gaps) for digit in number)
    return draw(around) + typed + draw(around)


def bare(text: str) -> str:
    """Digits half-width, everything that only separates taken out."""
    plain = unicodedata.normalize("NFKC", text)
    return re.sub(r"[\s\u200b\-—.]", "", plain)


@given(st.data(), st.from_regex(r"1[3-9][0-9]{9}", fullmatch=True))
def test_no_mobile_number_survives(data: st.DataObject, number: str) -> None:
    assert not re.search(r"1[3-9][0-9]{9}", bare(scrub(data.draw(written(number)))))


@given(st.data(), st.from_regex(r"[1-9][0-9]{16}[0-9X]", fullmatch=True))
def test_no_identity_number_survives(data: st.DataObject, number: str) -> None:
    assert not re.search(r"[0-9]{17}[0-9X]|[0-9]{15}", bare(scrub(data.draw(written(number)))))


@given(st.text(max_size=200))
def test_text_without_a_long_number_only_changes_the_width_of_its_digits(text: str) -> None:
    if not re.search(r"[0-9]{7}", bare(text)):
        assert scrub(text) == "".join(str(unicodedata.decimal(c, c)) for c in text)
