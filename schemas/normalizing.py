"""Unicode normal forms in a time that grows with the text, not with its square."""

from itertools import chain, groupby
from typing import Literal
from unicodedata import combining, is_normalized, normalize

SHORT = 256
"""Characters that the standard library normalizes within 0.2 ms, whatever they are."""


def nfc(text: str) -> str:
    """This text in NFC. Deterministic."""
    return text if is_normalized("NFC", text) else normalize("NFC", _ordered("NFD", text))


def nfkc(text: str) -> str:
    """This text in NFKC. Deterministic."""
    return text if text.isascii() else normalize("NFKC", _ordered("NFKD", text))


def _ordered(form: Literal["NFD", "NFKD"], text: str) -> str:
    """The same text, decomposed, if it is long: the standard library orders combining marks by insertion, which takes 30,000
    in a row seconds unless they are in order.
    """
    if len(text) <= SHORT:
        return text
    letters = chain.from_iterable(normalize(form, letter) for letter in text)
    runs = groupby(letters, key=lambda letter: combining(letter) != 0)
    return "".join(chain.from_iterable(sorted(run, key=combining) for _, run in runs))
