"""Placeholders: numbers that a sender puts where a case number belongs, the same for everybody.

A review with one is about no known case: its number is dropped and kept as a claim, and no stranger's case or review is
joined to it.
"""

import unicodedata
from collections.abc import Collection, Iterable

import msgspec

from schemas.events import ReviewEvent
from schemas.reading import clean_text

LENGTH = 64
_HALF_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {0x3000: 0x20}


class ClaimedReview(ReviewEvent, kw_only=True):
    """A review, and the number that it came with. The contract has no field for it, and keeps it with the raw record."""

    claimed_case_no: str = ""


def bare(number: str) -> str:
    """The number as placeholders are compared: cleaned as the contract cleans an identifier (`contract.md`). Pure."""
    visible = "".join(char for char in number if unicodedata.category(char) != "Cf")
    return clean_text(visible.translate(_HALF_WIDTH))


def placeholders_of(numbers: Iterable[str]) -> tuple[str, ...]:
    """These numbers, bare, each once, in order. ValueError for one that no case number can be."""
    found = sorted({bare(number) for number in numbers})
    if not all(1 <= len(number) <= LENGTH for number in found):
        raise ValueError(f"a placeholder is a number as the sender writes it, of 1 to {LENGTH} characters")
    return tuple(found)


def is_placeholder(number: str | None, placeholders: Collection[str]) -> bool:
    """Whether this number is one of the placeholders, which are bare. Pure."""
    return bool(placeholders and number) and bare(number or "") in placeholders


def standalone(event: ReviewEvent, claim: str) -> ClaimedReview:
    """The same review without a case and without a service of it; `claim` is the number that it came with. Pure."""
    fields = msgspec.structs.asdict(event) | {"case_no": None, "service_no": 1}
    return ClaimedReview(**fields, claimed_case_no=claim)
