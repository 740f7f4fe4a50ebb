"""Keys that are none: of the wrong length, well known, or made by a hand instead of by chance."""

import hashlib
from itertools import pairwise

BYTES = 32
_FEWEST_VALUES = 16
"""Of 32 random bytes some thirty differ; sixteen or fewer is chance less than once in 10^13."""
_WORDS = (b"", b"hcp", b"secret", b"password", b"changeme", b"admin", b"test", b"key", b"123456")
_KNOWN = frozenset(hashlib.sha256(word).digest() for word in _WORDS)


def weakness(key: bytes) -> str:
    """Why this is no key, in words that do not show it; empty if nothing is to be said against it. Pure."""
    if len(key) != BYTES:
        return f"has {len(key)} bytes, not {BYTES}"
    if key in _KNOWN:
        return "is the digest of a word that everybody tries first"
    if key.isascii() and key.decode().isprintable():
        return "is text, not random bytes"
    if _steps(key) <= 2:
        return "is a sequence that everybody knows"
    if len(set(key)) <= _FEWEST_VALUES:
        return "repeats itself"
    return ""


def _steps(key: bytes) -> int:
    """How many different steps lead from one byte to the next: one in 0, 1, 2, …, two where such a sequence begins anew."""
    return len({(after - before) % 256 for before, after in pairwise(key)})
