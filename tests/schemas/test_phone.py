"""Phone numbers as people type them: one number has one form, however it is typed."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.phone import mobile, phone

KEPT = re.compile(
    r"1[3-9][0-9]{9}|(0[1-9][0-9]{1,2})?[2-9][0-9]{6,7}(-[0-9]{1,6})?|[48]00[0-9]{7}(-[0-9]{1,6})?"
)


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("13800135678", "13800135678"),
        (" 138-0013 5678 ", "13800135678"),
        ("+86 138 0013 5678", "13800135678"),
        ("(+86)138·0013·5678", "13800135678"),
        ("008613800135678", "13800135678"),
        ("8613800-135678", "13800135678"),
        ("１３８００１３５６７８", "13800135678"),
        ("\u202d138\u200b00135678\u202c", "13800135678"),
        ("0917-5542345", "09175542345"),
        ("０２９－８７６５４３２１", "02987654321"),
        ("(029) 8765 4321", "02987654321"),
        ("+86 0917 5542345", "09175542345"),
        ("5542345", "5542345"),
        ("8765-4321", "87654321"),
        ("400-810-8888", "4008108888"),
        ("029-87654321-802", "02987654321-802"),
        ("029-87654321 转 802", "02987654321-802"),
        ("（029）87654321转分机802", "02987654321-802"),
        ("0917-5542345#6", "09175542345-6"),
        ("0917-5542345-6", "09175542345-6"),
        ("5542345–12", "5542345-12"),
    ],
)
def test_what_is_a_number(typed: str, kept: str) -> None:
    assert phone(typed) == kept


@pytest.mark.parametrize(
    "typed",
    [
        "1380013567",
        "138001356789",
        "12800135678",
        "13800135678转12",
        "12345",
        "110",
        "1234567",
        "86 5542345",
        "0017 5542345",
        "029-87654321-8020202",
        "029-87654321转",
        "+852 9876 5432",
        "1380013567八",
        "我的电话",
        "-",
        "",
    ],
)
def test_what_is_none(typed: str) -> None:
    assert phone(typed) == ""
    assert mobile(typed) == ""


def test_a_message_reaches_a_mobile_alone() -> None:
    assert mobile("+86 138-0013-5678") == "13800135678"
    assert mobile("0917-5542345") == mobile("5542345") == mobile("400 810 8888") == ""


numbers = st.from_regex(KEPT, fullmatch=True)
between = st.text(" ()-–.·\u200b", max_size=2)


@given(numbers)
def test_what_is_kept_is_typed_the_same(number: str) -> None:
    assert phone(number) == number


@given(
    st.from_regex(r"1[3-9][0-9]{9}", fullmatch=True), st.data(), st.sampled_from(["", "86", "+86", "0086"])
)
def test_a_mobile_is_one_number_however_it_is_parted(number: str, data: st.DataObject, country: str) -> None:
    typed = country + "".join(data.draw(between) + digit for digit in number) + data.draw(between)
    assert phone(typed) == mobile(typed) == number


@given(st.text(max_size=30) | st.text("0123456789０-–()转分机#+ ", max_size=24))
def test_whatever_is_typed_is_a_number_in_its_form_or_none(typed: str) -> None:
    kept = phone(typed)
    assert kept == "" or (KEPT.fullmatch(kept) and phone(kept) == kept)
    assert mobile(typed) in {"", kept}
