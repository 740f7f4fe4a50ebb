"""Names that somebody else gave, of files first of all: for a person to read, and short enough for a folder to take."""

import os
from collections.abc import Sequence
from pathlib import PurePath

_SHOWN = 100
"""Characters of a name that a sentence shows."""
_SEVERAL = 20
_SUFFIX = 16
"""Bytes. A longer one is no suffix that means anything, and is cut like the rest of the name."""


def printable(name: str) -> str:
    """The name in one line of at most 100 characters; the middle of a longer one is left out."""
    shown = escaped(name)
    return shown if len(shown) <= _SHOWN else f"{shown[: _SHOWN - 21]}…{shown[-20:]}"


def several(names: Sequence[str]) -> str:
    """The first of these names of columns or sheets, each in printable form."""
    more = f" and {len(names) - _SEVERAL} more" if len(names) > _SEVERAL else ""
    return ", ".join(map(printable, names[:_SEVERAL])) + more


def escaped(path: str) -> str:
    r"""The path in one line that every terminal and file takes: `\xff` for what is no UTF-8, `\n` for a line break."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)


def fitting(name: str, room: int, copy: int = 1) -> str:
    """The name in at most `room` bytes, its suffix kept; from the second `copy` on with a number: `name-2.csv`."""
    path = PurePath(name)
    stem, suffix = (path.stem, path.suffix) if len(os.fsencode(path.suffix)) <= _SUFFIX else (name, "")
    end = f"-{copy}{suffix}" if copy > 1 else suffix
    encoded, left = os.fsencode(stem), room - len(os.fsencode(end))
    return (stem if len(encoded) <= left else encoded[:left].decode("utf-8", "ignore") or "file") + end
