"""Identifiers of the field and of ours: 统一社会信用代码, area codes, event ids."""

import os
import time
from uuid import UUID, uuid5

USCC_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_USCC_WEIGHTS = (1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28)
_USCC_VALUE = {character: value for value, character in enumerate(USCC_ALPHABET)}
_NAMESPACE = UUID("5f0b7b1e-6d0b-5a55-9a39-6d6569786e31")
AREA_CODE_LENGTHS = (6, 9, 12)
OWN_CASE_PREFIX = "hcp-own-"
"""How a 办件编号 begins that we gave a case ourselves, because its sender has one number for many."""


def uscc_check_digit(body: str) -> str:
    """The 18th character for the first 17 of a 统一社会信用代码 (GB 32100-2015). ValueError if one is not allowed."""
    if len(body) != len(_USCC_WEIGHTS) or any(character not in _USCC_VALUE for character in body):
        raise ValueError(
            "a 统一社会信用代码 has 17 characters of 0-9 and A-Y without I, O, S, V, Z, and a check digit"
        )
    total = sum(_USCC_VALUE[c] * weight for c, weight in zip(body, _USCC_WEIGHTS, strict=True))
    return USCC_ALPHABET[-total % 31]


def is_uscc(code: str) -> bool:
    """Whether this is a 统一社会信用代码 with a right check digit."""
    try:
        return len(code) == 18 and uscc_check_digit(code[:17]) == code[17]
    except ValueError:
        return False


def is_area_code(code: str) -> bool:
    """Whether this has the form of a 区划代码: 6, 9 or 12 digits."""
    return len(code) in AREA_CODE_LENGTHS and code.isascii() and code.isdigit()


def uuid7(at_ms: int | None = None, random: int | None = None) -> UUID:
    """A new UUIDv7 (RFC 9562): its first 48 bits are Unix milliseconds, so new ids lie side by side in an index.

    `random`: 80 bits, for a simulation that must give the same ids again.
    """
    milliseconds = time.time_ns() // 1_000_000 if at_ms is None else at_ms
    random = int.from_bytes(os.urandom(10)) if random is None else random
    value = (milliseconds & (1 << 48) - 1) << 80 | random
    value = value & ~(0xF << 76) | 0x7 << 76
    return UUID(int=value & ~(0x3 << 62) | 0x2 << 62)


def derived_id(*parts: object) -> UUID:
    """The UUIDv5 that these parts always give: ids that a replay finds again."""
    return uuid5(_NAMESPACE, "\x1f".join(map(str, parts)))


def own_case_no(*parts: object) -> str:
    """The case number that a case with these parts always gets from us, when its sender gave it none of its own."""
    return f"{OWN_CASE_PREFIX}{derived_id('case', *parts).hex}"
