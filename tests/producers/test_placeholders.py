"""Placeholders: recognised however they are typed, and nothing but the case is taken from a review that has one."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.placeholders import bare, is_placeholder, placeholders_of, standalone
from schemas.events import ReviewEvent
from schemas.reading import digest, read
from tests.harness import review
from tests.producers.gateway.house import Clock

NUMBERS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=20) | st.just(
    "无"
)
INVISIBLE = st.text(st.sampled_from("\u200b\u200d\u2060\ufeff\u00ad\u202a"), max_size=3)
AROUND = st.text(st.sampled_from(" \t\u3000\n\u200b"), max_size=3)


@st.composite
def typed(draw: st.DrawFn, number: str) -> str:
    """The same number as somebody else's keyboard and programs write it."""
    wide = (chr(ord(char) + 0xFEE0) if char.isascii() and draw(st.booleans()) else char for char in number)
    return draw(AROUND) + "".join(char + draw(INVISIBLE) for char in wide) + draw(AROUND)


@given(NUMBERS, st.data())
def test_a_placeholder_is_recognised_however_it_is_typed(number: str, data: st.DataObject) -> None:
    known = placeholders_of([data.draw(typed(number))])
    assert is_placeholder(data.draw(typed(number)), known)


@given(NUMBERS, NUMBERS)
def test_another_number_is_none(number: str, other: str) -> None:
    assert is_placeholder(other, placeholders_of([number])) == (number == other)


@given(st.text())
def test_cleaning_is_idempotent_and_never_longer(text: str) -> None:
    assert bare(bare(text)) == bare(text)
    assert len(bare(text)) <= len(text)


def test_no_number_is_no_placeholder() -> None:
    assert not is_placeholder(None, ("0",))
    assert not is_placeholder("", ("0",))
    assert not is_placeholder("0", ())


@pytest.mark.parametrize("wrong", ["", " ", "\u200b", "0" * 65])
def test_what_can_be_no_case_number_can_be_no_placeholder(wrong: str) -> None:
    with pytest.raises(ValueError, match="1 to 64 characters"):
        placeholders_of(["0", wrong])


def test_the_claim_is_kept_and_is_no_part_of_the_event() -> None:
    at = Clock()()
    sent = review("000000", 1, service_no=3, window_code="W1", comment="跑了三趟")
    event = read(ReviewEvent, msgspec.json.encode(sent), at).event
    published = msgspec.json.encode(standalone(event, "000000"))
    kept = msgspec.json.decode(published)
    assert kept["claimed_case_no"] == "000000"
    assert not {"case_no", "service_no"} & kept.keys()
    again = read(ReviewEvent, published, at).event
    without = read(ReviewEvent, msgspec.json.encode(sent | {"case_no": None, "service_no": 1}), at).event
    assert digest(again) == digest(without)
