"""Phone and identity numbers as people type them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.qr.identity import id_number, phone

DIGITS = st.text("0123456789", min_size=17, max_size=17)


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("13800135678", "13800135678"),
        (" 138-0013 5678 ", "13800135678"),
        ("+86 138 0013 5678", "13800135678"),
        ("008613800135678", "13800135678"),
        ("１３８００１３５６７８", "13800135678"),
        ("0917-5542345", "09175542345"),
        ("(029) 8765 4321", "02987654321"),
        ("1380013567", None),
        ("138001356789", None),
        ("12800135678", None),
        ("12345", None),
        ("5542345", None),
        ("我的电话", None),
        ("", None),
    ],
)
def test_phones(typed: str, kept: str | None) -> None:
    assert phone(typed) == kept


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("11010519491231002X", "11010519491231002X"),
        ("110105 19491231 002x", "11010519491231002X"),
        ("１１０１０５１９４９１２３１００２Ｘ", "11010519491231002X"),
        ("110105194912310021", None),
        ("11010519491331002X", None),
        ("11010518491231002X", None),
        ("01010519491231002X", None),
        ("110105491231002", None),
        ("x", None),
        ("", None),
    ],
)
def test_identity_numbers(typed: str, kept: str | None) -> None:
    assert id_number(typed) == kept


@given(DIGITS)
def test_at_most_one_check_digit_is_right(body: str) -> None:
    assert sum(1 for check in "0123456789X" if id_number(body + check)) <= 1


@given(st.text(max_size=30))
def test_whatever_is_typed_is_answered(typed: str) -> None:
    assert phone(typed) is None or phone(str(phone(typed))) == phone(typed)
    assert id_number(typed) is None or len(str(id_number(typed))) == 18
