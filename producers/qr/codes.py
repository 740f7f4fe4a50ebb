"""QR codes of tokens: the link that they hold, drawn as SVG or PNG."""

import io
from pathlib import Path

import segno

from producers.errors import InputError

CORRECTION = "m"
"""15 % of a code may be dirty or scratched. A place's link makes about 57 modules a side: over 1 mm each at 7 cm."""
QUIET = 4
"""Modules of white around it, as ISO/IEC 18004 demands."""
PNG_SCALE = 10
WRITTEN = ("svg", "png")


def link(url: str, token: str) -> str:
    """What the code says. `url`: of the gateway, as citizens reach it."""
    return f"{url}/r/{token}"


def code(text: str) -> segno.QRCode:
    """The smallest code that holds this text."""
    return segno.make_qr(text, error=CORRECTION)


def svg(text: str) -> str:
    """The code as an element for a page, as large as its frame."""
    drawn: str = code(text).svg_inline(border=QUIET, omitsize=True)
    return drawn


def save(text: str, path: Path) -> None:
    """Write it as .svg or .png, by the file's name. Blocks. Raises InputError for another name."""
    kind = path.suffix.lower().removeprefix(".")
    if kind not in WRITTEN:
        raise InputError(
            f"{path}: the name of the picture ends in {' or '.join('.' + name for name in WRITTEN)}"
        )
    out = io.BytesIO()
    code(text).save(out, kind=kind, border=QUIET, scale=PNG_SCALE)
    path.write_bytes(out.getvalue())
