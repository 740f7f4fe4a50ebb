"""The cursor column: what grows with every change of a row. Its values as they are kept, compared and asked for."""

import math
import re
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, NamedTuple

from pipeline.rules.policy import COUNTY_ZONE
from producers.errors import CannotImportError
from producers.imports.database.values import Unreadable

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_SECOND = 1_000_000
_FIRST = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
_MOST = 2**63
"""What SQLite keeps of a number."""
_DIGITS = re.compile(r"[0-9]{14}")
_ISO = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class Type(StrEnum):
    """What a cursor's values are."""

    NUMBER = "number"
    INSTANT = "instant"
    LOCAL_TIME = "local_time"
    DAY = "day"
    TEXT = "text"


class Cursor(NamedTuple):
    """A value of the cursor column, so that it can be kept: times are microseconds since 1970, days are ordinals."""

    type: Type
    value: int | str

    def back(self, overlap: int) -> "Cursor":
        """`overlap` seconds of a time earlier, or so many of a number lower; a day by one day; text has no distance."""
        match self.type:
            case Type.NUMBER:
                return Cursor(self.type, int(self.value) - overlap)
            case Type.INSTANT | Type.LOCAL_TIME:
                return Cursor(self.type, int(self.value) - overlap * _SECOND)
            case Type.DAY:
                return Cursor(self.type, int(self.value) - min(overlap, 1))
            case _:
                return self

    def at_least(self, other: "Cursor | None") -> "Cursor":
        """The greater of the two. Text is as the database orders it: what was read last is the greatest."""
        if other is None or self.type is Type.TEXT or int(self.value) >= int(other.value):
            return self
        return other

    def is_ahead(self, now: datetime) -> bool:
        """Whether it lies in the future: then it is a mistake, and a position there would hide all that comes until then.

        A time without a zone is the county's. Text, and a number of 14 digits, are times if they read as one.
        """
        match self.type:
            case Type.INSTANT | Type.LOCAL_TIME:
                at = self.asked()
            case Type.DAY:
                at = datetime.combine(self.asked(), time())
            case _:
                at = _time_in(str(self.value))
        return bool(at and (at if at.tzinfo else at.replace(tzinfo=COUNTY_ZONE)) > now)

    def asked(self) -> Any:
        """The value as the database's driver takes it, not before the year 1."""
        match self.type:
            case Type.INSTANT:
                return _EPOCH + max(int(self.value), _FIRST) * _MICROSECOND
            case Type.LOCAL_TIME:
                return (_EPOCH + max(int(self.value), _FIRST) * _MICROSECOND).replace(tzinfo=None)
            case Type.DAY:
                return date.fromordinal(max(int(self.value), 1))
            case _:
                return self.value


def cursor_of(value: Any) -> Cursor | None:
    """A value that the driver gave; None if it is one that cannot be kept, though its kind can: its row has no place.

    Raises CannotImportError if it is of no kind of which equal values can be told for sure.
    """
    return None if _has_no_place(value) else _kept(value)


def _has_no_place(value: Any) -> bool:
    match value:
        case Unreadable():
            return True
        case int() | Decimal():
            return not (math.isfinite(value) and -_MOST < value < _MOST)
        case _:
            return False


def _kept(value: Any) -> Cursor:
    match value:
        case bool() | float():
            raise _unusable(value)
        case int():
            return Cursor(Type.NUMBER, value)
        case Decimal() if value == value.to_integral_value():
            return Cursor(Type.NUMBER, int(value))
        case datetime() if value.tzinfo is not None:
            return Cursor(Type.INSTANT, (value - _EPOCH) // _MICROSECOND)
        case datetime():
            return Cursor(Type.LOCAL_TIME, (value.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND)
        case date():
            return Cursor(Type.DAY, value.toordinal())
        case str():
            return Cursor(Type.TEXT, value)
        case _:
            raise _unusable(value)


def _time_in(text: str) -> datetime | None:
    try:
        if _DIGITS.fullmatch(text):
            return datetime.strptime(text, "%Y%m%d%H%M%S")  # noqa: DTZ007  the caller says of which zone it is
        return datetime.fromisoformat(text) if _ISO.match(text) else None
    except ValueError:
        return None


def _unusable(value: Any) -> CannotImportError:
    return CannotImportError(
        f"the cursor column has values of the type {type(value).__name__}: use one with times, whole numbers or text"
    )
