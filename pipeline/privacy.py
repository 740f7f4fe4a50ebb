"""Free text for other eyes: phone, identity and card numbers that citizens wrote into it are masked.

Looked for in a plain view of the text: each character in its compatible form (NFKC, one at a time: linear, however long the
text), every kind of digit as an ASCII digit. Whatever is neither letter nor digit, seen or unseen, separates no number.
"""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from schemas.identifiers import is_uscc

_SHORTEST = 7
"""Digits of the shortest number that can reach a person: a local phone number."""
_SHORTEST_IDENTITY, _IDENTITY_LENGTH = 15, 18
_BETWEEN = r"[\W_\u115f\u1160]"
"""What may stand between digits: anything but letters and digits; two of Unicode's letters cannot be seen."""
_RUN = re.compile(rf"(?P<digits>[0-9](?:{_BETWEEN}*[0-9])*)(?:{_BETWEEN}*[Xx])?")
_DAY = r"(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])"
_CODE = re.compile(
    r"(?<![0-9A-Za-z])(?:(?P<uscc>[159ANY][1-39][0-9]{6}[0-9A-HJ-NP-RTUW-Y]{10})(?:[0-9A-Z]{13}(?:[0-9A-Z]{2})?)?"
    r"|[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[1-8][0-9A-Fa-f]{3}-[89ABab][0-9A-Fa-f]{3}-[0-9A-Fa-f]{12}"
    r"|20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?(?:[Zz]|[+-][0-9]{2}:[0-9]{2})?"
    r")(?![0-9A-Za-z])"
)
"""A department's code, or an item's, which begins with it; a UUID; a time with its T: no phone is written so."""
_MOMENTS = re.compile(
    rf"(?:(?:(?:19|20)[0-9]{{2}}{_DAY}|(?:19|20)[0-9]{{2}}(?P<sep>[-/.])(?:0?[1-9]|1[0-2])(?P=sep)"
    r"(?:[12][0-9]|3[01]|0?[1-9])(?:\s{1,2}[012]?[0-9]:[0-5][0-9](?::[0-5][0-9])?)?)(?![0-9])\W*)+"
)
"""Dates, with the time or without, and nothing else."""
_DATED = (
    rf"(?:19|20)[0-9]{{2}}(?P<dash>[-/.])(?:0[1-9]|1[0-2])(?P=dash)(?:0[1-9]|[12][0-9]|3[01])"
    rf"|19[0-9]{{2}}{_DAY}|20[0-9]{{2}}{_DAY}[0-9]{{0,8}}"
)
_AREA = r"0(?:10|2[0-9]|[3-9][0-9]{2}|[1-9][0-9]{1,2})"
_PIECE = re.compile(
    rf"(?<![0-9])(?:(?P<dated>{_DATED})|{_AREA}{_BETWEEN}*[2-9][0-9]{{6,7}}"
    rf"|[0-9]{{{_SHORTEST},}}[Xx]?)(?![0-9])"
)
"""A date, or a case number that begins with one; a landline as it is mostly written; a number written without a break."""
_MOBILE = re.compile(r"(0086|86)?(1[3-9][0-9]{9})")
_MOBILE_WITHIN = re.compile(rf"1{_BETWEEN}*[3-9](?:{_BETWEEN}*[0-9]){{9}}")
_LANDLINE = re.compile(rf"((?:0086|86)?{_AREA})([2-9][0-9]{{6,7}})")
_IDENTITY = re.compile(
    rf"[1-9][0-9]{{5}}(?:(?:18|19|20)[0-9]{{2}}{_DAY}[0-9]{{3}}[0-9X]|[0-9]{{2}}{_DAY}[0-9]{{3}})"
)
_CARD = re.compile(r"[3-9][0-9]{15,18}")


class _Masked(NamedTuple):
    """What stands in the place of a part of the plain view."""

    start: int
    end: int
    shown: str


def scrub(text: str) -> str:
    """Free text with mobile numbers (138****5678), identity and card numbers (first digit and last two), landlines masked.

    Nothing that stands between digits hides a number, nor does a digit's form. In doubt more is masked: seven digits in a
    run are a number unless they are a date, a department's or item's code, a UUID, or begin as a case number does, with the
    date. Text without such a number comes back as it is. Names, addresses and numbers in words cannot be found reliably
    and stay: scrubbed text is still not for the public. Scrub before cutting: half a number is no longer recognised. Pure.
    """
    return _redacted(text, doubtful=True)


def mask(code: str) -> str:
    """The same for a code of somebody else's making: only what has the form of a mobile, identity or card number. Pure."""
    return _redacted(code, doubtful=False)


def _redacted(text: str, *, doubtful: bool) -> str:
    plain, places = _plain_view(text)
    parts, done = [], 0
    for found in _numbers(plain, doubtful=doubtful):
        start, end = max(places[found.start], done), places[found.end - 1] + 1
        parts += [text[done:start], found.shown]
        done = max(end, done)
    return "".join(parts) + text[done:]


def _plain_view(text: str) -> tuple[str, list[int]]:
    """The text as it is looked at, and where in `text` each of its characters comes from."""
    if text.isascii():
        return text, list(range(len(text)))
    forms = [_plain(char) for char in text]
    return "".join(forms), [at for at, form in enumerate(forms) for _ in form]


@lru_cache(maxsize=4096)
def _plain(char: str) -> str:
    """This character's compatible form, its digits as ASCII ones; of a sign without digits, like ℡, a space."""
    forms = unicodedata.normalize("NFKC", char)
    plain = "".join(form if _digit(form) is None else str(_digit(form)) for form in forms)
    is_sign = not char.isalnum() and any(map(str.isalpha, plain)) and not any(map(str.isdecimal, plain))
    return " " if is_sign else plain


def _digit(char: str) -> int | None:
    return unicodedata.digit(char, None)


def _numbers(plain: str, *, doubtful: bool) -> Iterator[_Masked]:
    done = 0
    for code in _CODE.finditer(plain):
        if code["uscc"] is None or (is_uscc(code["uscc"]) and not _IDENTITY.fullmatch(code["uscc"])):
            yield from _in_runs(plain, done, code.start(), doubtful=doubtful)
            done = code.end()
    yield from _in_runs(plain, done, len(plain), doubtful=doubtful)


def _in_runs(plain: str, start: int, end: int, *, doubtful: bool) -> Iterator[_Masked]:
    for run in _RUN.finditer(plain, start, end):
        said = run[0] if len(_digits(run[0])) == _IDENTITY_LENGTH else run["digits"]
        if len(_digits(said)) >= _SHORTEST:
            yield from _of_run(said, run.start(), doubtful=doubtful)


def _of_run(said: str, start: int, *, doubtful: bool) -> Iterator[_Masked]:
    """What of a run of digits is masked: all of it as one number, or the numbers that stand in it unbroken."""
    if not _known(said, doubtful=doubtful):
        if _MOMENTS.fullmatch(said):
            return
        if pieces := _pieces(said, doubtful=doubtful):
            for piece in pieces:
                shown = None if piece["dated"] else _shown(piece[0], doubtful=doubtful)
                if shown:
                    yield _Masked(start + piece.start(), start + piece.end(), shown)
            return
    if shown := _shown(said, doubtful=doubtful):
        yield _Masked(start, start + len(said), shown)


def _pieces(said: str, *, doubtful: bool) -> list[re.Match[str]]:
    """The dates and numbers of which this run consists; none unless one of them is sure and little else is left."""
    pieces = list(_PIECE.finditer(said))
    loose = len(_digits(said)) - sum(len(_digits(piece[0])) for piece in pieces)
    is_sure = any(piece["dated"] or _known(piece[0], doubtful=doubtful) for piece in pieces)
    return pieces if is_sure and loose < _SHORTEST else []


def _shown(said: str, *, doubtful: bool) -> str:
    """This number, masked; empty if it may be shown."""
    known = _known(said, doubtful=doubtful)
    if known or not (doubtful or _MOBILE_WITHIN.search(said)):
        return known
    digits = _digits(said)
    return _cut(digits, 1 if len(digits) >= _SHORTEST_IDENTITY else 0, 2)


def _known(said: str, *, doubtful: bool) -> str:
    """A number whose kind its form tells, masked; empty for any other."""
    digits = _digits(said)
    if found := _MOBILE.fullmatch(digits):
        return (found[1] or "") + _cut(found[2], 3, 4)
    if doubtful and (found := _LANDLINE.fullmatch(digits)):
        return f"{found[1]}-{_cut(found[2], 0, 2)}"
    if _IDENTITY.fullmatch(digits) or (_CARD.fullmatch(digits) and _passes_luhn(digits)):
        return _cut(digits, 1, 2)
    return ""


def _cut(digits: str, head: int, tail: int) -> str:
    return digits[:head] + "*" * (len(digits) - head - tail) + digits[-tail:]


def _digits(said: str) -> str:
    """Its digits, and the X at the end of an identity number."""
    return "".join(char for char in said if char in "0123456789Xx").upper()


def _passes_luhn(digits: str) -> bool:
    """Whether the last digit is the check digit of a bank card's number."""
    doubled = [int(digit) << place % 2 for place, digit in enumerate(reversed(digits))]
    return sum(digit - 9 * (digit > 9) for digit in doubled) % 10 == 0
