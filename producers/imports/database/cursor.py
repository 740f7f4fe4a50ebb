"""The cursor column: what grows with every change of a row. Its values as they are kept, compared and asked for."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, NamedTuple

from producers.errors import CannotImportError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_SECOND = 1_000_000


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

    def asked(self) -> Any:
        """The value as the database's driver takes it."""
        match self.type:
            case Type.INSTANT:
                return _EPOCH + int(self.value) * _MICROSECOND
            case Type.LOCAL_TIME:
                return (_EPOCH + int(self.value) * _MICROSECOND).replace(tzinfo=None)
            case Type.DAY:
                return date.fromordinal(int(self.value))
            case _:
                return self.value


def cursor_of(value: Any) -> Cursor:
    """A value that the driver gave. Raises CannotImportError if it is no kind of which equal ones can be told for sure."""
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


def _unusable(value: Any) -> CannotImportError:
    return CannotImportError(
        f"the cursor column has values of the type {type(value).__name__}: use one with times, whole numbers or text"
    )
