"""A phone number as people type it: in the one form in which our forms keep it, so that its mark is the same. Pure."""

import re

from schemas.normalizing import nfkc

LONGEST = 64
"""Characters of what may be a number of a phone or an identity card, with all that people put between; longer text is none."""
_BETWEEN = re.compile(r"[\s()\-‐-―−.·\u200b-\u200f\u202a-\u202e\u2060\ufeff]+")
"""What people put between digits, and what a copied number brings along unseen."""
_COUNTRY = r"(?:\+?86|0086)?"
_LANDLINE = re.compile(
    rf"{_COUNTRY}(0[1-9][0-9]{{1,2}}[2-9][0-9]{{6,7}})|([2-9][0-9]{{6,7}})|([48]00[0-9]{{7}})"
)
"""With its area code; a local one without; a company's 400 or 800 number. 12345, 110 and the like call nobody back."""
_MOBILE = re.compile(rf"{_COUNTRY}(1[3-9][0-9]{{9}})")
_EXTENSION = re.compile(r"(.+?)(?:转分机|转|分机|[#\-‐-―−])\s*([0-9]{1,6})\s*")


def phone(typed: str) -> str:
    """Digits alone, of a landline's extension with a hyphen before it (`02987654321-802`); empty for what is no number."""
    plain = _plain(typed)
    if found := mobile(plain):
        return found  # first: 8613800-135678 has the look of a local number's extension
    parts = _EXTENSION.fullmatch(plain)
    switchboard = _found(_LANDLINE, parts[1]) if parts else ""
    return f"{switchboard}-{parts[2]}" if parts and switchboard else _found(_LANDLINE, plain)


def mobile(typed: str) -> str:
    """A mobile number's 11 digits: what a text message can be sent to; empty for anything else."""
    return _found(_MOBILE, typed)


def bare(typed: str) -> str:
    """Half-width, without what people put between digits; empty for what is too long to be a number."""
    return _BETWEEN.sub("", _plain(typed))


def _plain(typed: str) -> str:
    """Checked again after: a compatibility character may stand for 18."""
    plain = nfkc(typed) if len(typed) <= LONGEST else ""
    return plain if len(plain) <= LONGEST else ""


def _found(kind: re.Pattern[str], typed: str) -> str:
    found = kind.fullmatch(bare(typed))
    return next(filter(None, found.groups())) if found else ""
