"""The cursor column: its values as they are kept and asked for, and how far back a poll goes."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from producers.errors import CannotImportError
from producers.imports.database.cursor import Cursor, Type, cursor_of


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (5, Type.NUMBER),
        (Decimal(5), Type.NUMBER),
        (datetime(2026, 11, 2, 9, 30, 0, 1, tzinfo=UTC), Type.INSTANT),
        (datetime(2026, 11, 2, 9, 30), Type.LOCAL_TIME),
        (date(2026, 11, 2), Type.DAY),
        ("2026-11-02", Type.TEXT),
    ],
)
def test_a_cursor_value_is_asked_for_as_it_came(value: Any, kind: Type) -> None:
    cursor = cursor_of(value)
    assert cursor.type is kind
    assert cursor.asked() == value
    assert cursor.back(0) == cursor
    assert cursor_of(cursor.asked()) == cursor


def test_how_far_back_is_by_the_kind_of_the_cursor() -> None:
    at = datetime(2026, 11, 2, 9, 30, tzinfo=timezone(timedelta(hours=8)))
    assert cursor_of(at).back(60).asked() == at - timedelta(minutes=1)
    assert cursor_of(7).back(60) == Cursor(Type.NUMBER, -53)
    assert cursor_of(date(2026, 11, 2)).back(60).asked() == date(2026, 11, 1)
    assert cursor_of("x").back(60) == cursor_of("x")
    for value in (1.5, True, Decimal("1.5"), b"x", None):
        with pytest.raises(CannotImportError, match="use one with times, whole numbers or text"):
            cursor_of(value)
