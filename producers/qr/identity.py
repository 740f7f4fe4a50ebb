"""An identity number as people type it: in the form in which it is kept, or not one at all. Pure."""

import re
from datetime import datetime

from schemas.phone import bare

_ID_NUMBER = re.compile("[1-9][0-9]{16}[0-9X]")
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECK = "10X98765432"


def id_number(typed: str) -> str | None:
    """A 公民身份号码 (GB 11643): 18 characters, its birthday a day, its check digit right; None if it is none."""
    plain = bare(typed).upper()
    if not _ID_NUMBER.fullmatch(plain) or not _is_day(plain[6:14]):
        return None
    total = sum(int(digit) * weight for digit, weight in zip(plain, _WEIGHTS, strict=False))
    return plain if plain[17] == _CHECK[total % 11] else None


def _is_day(digits: str) -> bool:
    try:
        return datetime.strptime(digits, "%Y%m%d").year >= 1900  # noqa: DTZ007  a birthday has no zone
    except ValueError:
        return False
