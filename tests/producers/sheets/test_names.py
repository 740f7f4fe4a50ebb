"""Names that somebody else gave: shown in one line, and cut so that a folder takes them."""

import os

from hypothesis import given
from hypothesis import strategies as st

from producers.sheets.names import fitting, printable, several

names = (
    st.binary(min_size=1, max_size=300)
    .filter(lambda raw: b"/" not in raw and b"\0" not in raw)
    .map(os.fsdecode)
)


@given(names)
def test_every_name_can_be_shown_in_one_line(name: str) -> None:
    shown = printable(name)
    assert shown.isprintable()
    assert len(shown) <= 100
    shown.encode()


def test_what_is_shown_can_be_recognised() -> None:
    assert printable("办件 2026.csv") == "办件 2026.csv"
    assert printable("a\n\x1b.csv") == r"a\n\x1b.csv"
    assert printable(os.fsdecode(b"\xff.csv")) == r"\xff.csv"
    assert printable("n" * 200 + ".csv").endswith("n.csv")
    assert several([str(number) for number in range(30)]).endswith("18, 19 and 10 more")


@given(names, st.integers(1, 12))
def test_a_name_fits_and_keeps_its_suffix(name: str, copy: int) -> None:
    fits = fitting(name, 100, copy)
    assert 0 < len(os.fsencode(fits)) <= 100
    if len(os.fsencode(name)) <= 90 and copy == 1:
        assert fits == name


def test_a_copy_has_its_number_before_the_suffix() -> None:
    assert fitting("cases.csv", 100, 2) == "cases-2.csv"
    assert fitting("名" * 100 + ".csv", 31) == "名" * 9 + ".csv"
    assert fitting(os.fsdecode(b"\xff" * 100) + ".csv", 31, 3) == "file-3.csv"
