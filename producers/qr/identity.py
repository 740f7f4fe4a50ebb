"""A phone or identity number as people type it: in the form in which it is kept, or not one at all. Pure."""

import re
from datetime import datetime
from unicodedata import normalize

_SPACING = re.compile(r"[\s()\-.·]+")
_PHONE = re.compile(r"(?:\+?86|0086)?(1[3-9][0-9]{9}|0[1-9][0-9]{1,2}[2-9][0-9]{6,7})")
_ID_NUMBER = re.compile("[1-9][0-9]{16}[0-9X]")
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECK = "10X98765432"


def phone(typed: str) -> str | None:
    """A mobile number, or a landline with its area code, in digits alone; None if it is neither."""
    found = _PHONE.fullmatch(_bare(typed))
    return found[1] if found else None


def id_number(typed: str) -> str | None:
    """A 公民身份号码 (GB 11643): 18 characters, its birthday a day, its check digit right; None if it is none."""
    bare = _bare(typed).upper()
    if not _ID_NUMBER.fullmatch(bare) or not _is_day(bare[6:14]):
        return None
    total = sum(int(digit) * weight for digit, weight in zip(bare, _WEIGHTS, strict=False))
    return bare if bare[17] == _CHECK[total % 11] else None


def _bare(typed: str) -> str:
    """Half-width, without what people put between digits."""
    return _SPACING.sub("", normalize("NFKC", typed))


def _is_day(digits: str) -> bool:
    try:
        return datetime.strptime(digits, "%Y%m%d").year >= 1900  # noqa: DTZ007  a birthday has no zone
    except ValueError:
        return False
