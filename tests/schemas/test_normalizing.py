"""The normal forms are Unicode's, whatever the text; a long row of marks takes no longer than other text."""

import time
from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.normalizing import nfc, nfkc
from schemas.phone import LONGEST, mobile, phone

MARKS = "\u0300\u0301\u0323\u0327\u0334\u0345\u05b0\u0f71\u3099\U0001d165"
ODD = (
    MARKS
    + "a\u1ea0\uac00\u1100\u1161\u11a8\u0344\u0f73\u0f75\u0f81\u2126\ufb2c\ufdfa\uff11\u0958\u09c7\u09be"
)


@given(st.one_of(st.text(max_size=40), st.text(alphabet=ODD, max_size=40)), st.integers(1, 20))
def test_both_are_what_the_standard_library_gives(text: str, times: int) -> None:
    """Also beyond the length up to which the library does it all."""
    text *= times
    assert nfc(text) == normalize("NFC", text)
    assert nfkc(text) == normalize("NFKC", text)


@pytest.mark.parametrize("form", [nfc, nfkc])
def test_thirty_thousand_marks_take_milliseconds(form: object) -> None:
    assert callable(form)
    texts = ["a" + "\u0301\u0323" * 15_000, "a" + "\u0301" * 15_000 + "\u0323" * 15_000]
    assert max(_seconds(lambda text=text: form(text)) for text in texts) < 0.2  # 0.8 s and 1.6 s unordered


def test_what_is_longer_than_a_number_is_none() -> None:
    number = "138 0000 1111"
    assert phone(number.ljust(LONGEST)) == mobile(number.ljust(LONGEST)) == "13800001111"
    assert phone(number.ljust(LONGEST + 1)) == mobile(number.ljust(LONGEST + 1)) == ""
    assert phone("\ufdfa" * LONGEST) == "", "64 characters that stand for 1,152"


def _seconds(act: object) -> float:
    assert callable(act)
    taken = []
    for _ in range(3):
        began = time.thread_time()
        act()
        taken.append(time.thread_time() - began)
    return min(taken)
