"""The cursor column: its values as they are kept and asked for, and how far back a poll goes."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from producers.errors import CannotImportError
from producers.imports.database.cursor import Cursor, Type, cursor_of
from producers.imports.database.values import Unreadable


def cursor_at(value: Any) -> Cursor:
    cursor = cursor_of(value)
    assert cursor is not None
    return cursor


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
    cursor = cursor_at(value)
    assert cursor.type is kind
    assert cursor.asked() == value
    assert cursor.back(0) == cursor
    assert cursor_of(cursor.asked()) == cursor


def test_how_far_back_is_by_the_kind_of_the_cursor() -> None:
    at = datetime(2026, 11, 2, 9, 30, tzinfo=timezone(timedelta(hours=8)))
    assert cursor_at(at).back(60).asked() == at - timedelta(minutes=1)
    assert cursor_at(7).back(60) == Cursor(Type.NUMBER, -53)
    assert cursor_at(date(2026, 11, 2)).back(60).asked() == date(2026, 11, 1)
    assert cursor_at("x").back(60) == cursor_of("x")
    for value in (1.5, True, Decimal("1.5"), b"x", None):
        with pytest.raises(CannotImportError, match="use one with times, whole numbers or text"):
            cursor_of(value)


def test_nothing_is_before_the_year_one() -> None:
    first = datetime(1, 1, 1, tzinfo=UTC)
    assert cursor_at(first).back(60).asked() == first
    assert cursor_at(first.replace(tzinfo=None)).back(60).asked() == first.replace(tzinfo=None)
    assert cursor_at(date(1, 1, 1)).back(60).asked() == date(1, 1, 1)


@pytest.mark.parametrize(
    "value",
    [Unreadable("20000-01-01"), Decimal("NaN"), Decimal("Infinity"), Decimal("-Infinity"), 2**63, -(2**63)],
)
def test_a_value_that_cannot_be_kept_has_no_place(value: Any) -> None:
    assert cursor_of(value) is None


NOW = datetime(2026, 11, 28, 4, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "ahead"),
    [
        (NOW, False),
        (NOW + timedelta(seconds=1), True),
        (datetime(2026, 11, 28, 12), False),  # the county's
        (datetime(2026, 11, 28, 12, 1), True),
        (date(2026, 11, 28), False),
        (date(2026, 11, 29), True),
        (datetime(9999, 12, 31, 23, 59, 59), True),
        (datetime(1, 1, 1), False),
        (datetime(1, 1, 1, tzinfo=UTC), False),
        (date.min, False),
        (datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC), True),
        (date.max, True),
        ("2026-11-28 11:59:59", False),
        ("2026-11-28T12:00:01", True),
        ("2026-11-28T04:00:01Z", True),
        ("2099-02-30", False),
        ("20261128120001", True),
        (20261128120001, True),
        (20261128115959, False),
        (20269999999999, False),
        (99999999, False),
        ("x", False),
    ],
)
def test_what_lies_in_the_future(value: Any, ahead: bool) -> None:
    assert cursor_at(value).is_ahead(NOW) is ahead
