"""Moving the times of old cases to the present, all by the same amount, so that windows and dashboards have work."""

import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Literal

from producers.errors import CannotImportError
from schemas.reading import AHEAD

Shift = timedelta | Literal["auto"] | None
"""How far; `auto`: so that the last service is now; None: not said (as before, or not at all)."""
_DAYS = re.compile(r"([+-]?[0-9]{1,6})d")


def parse(text: str | None) -> Shift:
    """`auto`, `none` or `<n>d`. Raises CannotImportError."""
    match text:
        case None:
            return None
        case "auto":
            return "auto"
        case "none":
            return timedelta()
    days = _DAYS.fullmatch(text)
    if days is None:
        raise CannotImportError(f"--shift {text}: say auto, none, or a number of days such as 30d")
    return timedelta(days=int(days[1]))


def to_now(served: Iterable[datetime], now: datetime) -> timedelta:
    """What brings the last of these to `now`, in whole seconds. A time ahead of the clock is an error, and no measure."""
    last = max((time for time in served if time <= now + AHEAD), default=now)
    return timedelta(seconds=round((now - last).total_seconds()))


def said(shift: timedelta) -> str:
    """For the screen."""
    return f"moved by {shift}" if shift else "as in the file"
