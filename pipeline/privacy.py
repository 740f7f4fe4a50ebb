"""Free text for other eyes: phone and identity numbers that citizens wrote into it are masked."""

import re
import unicodedata

_GAP = r"[\s\u200b-\u200f\u2010-\u2015\u2060\ufeff\ufe0f\u20e3\-－_.·•]*"
"""What people write between digits: spaces, dashes, dots; and what cannot be seen."""
_SPACING = re.compile(_GAP)


def _digits(count: int) -> str:
    return rf"(?:{_GAP}[0-9]){{{count}}}"


_IDENTITY = re.compile(rf"[0-9](?:{_GAP}[0-9]){{14,}}(?:{_GAP}[XxＸｘ])?")
"""As long as it goes: of two numbers in one run, the end of the first would stand beside the second."""
_MOBILE = re.compile(rf"1{_GAP}[3-9]{_digits(9)}")
_LANDLINE = re.compile(r"(?<![0-9])(0[0-9]{2,3})[\s)）\-－]*[2-9][0-9]{6,7}(?![0-9])")
_LOCAL = re.compile(r"(?<![0-9])[2-8][0-9]{6}(?![0-9])")


def scrub(text: str) -> str:
    """Free text with mobile numbers (138****5678), identity numbers (first digit and last two) and landlines masked.

    Spaces, dashes and full-width digits do not hide a number; digits come out half-width. In doubt more is masked: a
    run of 15 digits or more is taken for an identity number whatever it is, 7 digits alone for a local phone number.
    Names, addresses and numbers in words cannot be found reliably and stay: scrubbed text is still not for the public.
    Scrub before cutting: half a number is no longer recognised. Pure.
    """
    plain = _LANDLINE.sub(lambda found: f"{found[1]}-*****{found[0][-2:]}", mask(text))
    return _LOCAL.sub(lambda found: _masked(found[0], 0, 2), plain)


def mask(code: str) -> str:
    """The same for a code of somebody else's making: short numbers stay, they are what it is known by. Pure."""
    plain = "".join(str(unicodedata.decimal(char, char)) for char in code)
    plain = _IDENTITY.sub(lambda found: _masked(found[0], 1, 2), plain)
    return _MOBILE.sub(lambda found: _masked(found[0], 3, 4), plain)


def _masked(number: str, head: int, tail: int) -> str:
    bare = _SPACING.sub("", number)
    return bare[:head] + "*" * (len(bare) - head - tail) + bare[-tail:]
