"""Working days: swapped weekends, holidays, the end of the day, provisional years."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.rules.working_days import official_calendar

ZONE = ZoneInfo("Asia/Shanghai")
CALENDAR = official_calendar()


@pytest.mark.parametrize(
    ("day", "works"),
    [
        (date(2026, 11, 23), True),  # a Monday
        (date(2026, 11, 22), False),  # a Sunday
        (date(2026, 10, 1), False),  # National Day, a Thursday
        (date(2026, 10, 10), True),  # a Saturday that is worked
        (date(2026, 2, 17), False),  # Spring Festival, a Tuesday
        (date(2027, 2, 8), False),  # Spring Festival of a year that is not published yet
        (date(2027, 3, 1), True),
    ],
)
def test_is_working_day(day: date, works: bool) -> None:
    assert CALENDAR.is_working_day(day) is works


@pytest.mark.parametrize(
    ("start", "days", "due", "provisional"),
    [
        ("2026-11-23T09:00:00+08:00", 1, "2026-11-24", False),
        ("2026-11-23T09:00:00+08:00", 5, "2026-11-30", False),
        ("2026-11-20T23:59:59+08:00", 1, "2026-11-23", False),  # Friday night
        ("2026-11-20T16:00:01+00:00", 1, "2026-11-23", False),  # Saturday already in the county
        ("2026-09-30T10:00:00+08:00", 5, "2026-10-13", False),  # over National Day, with a worked Saturday
        ("2026-12-30T10:00:00+08:00", 5, "2027-01-07", True),
    ],
)
def test_due(start: str, days: int, due: str, provisional: bool) -> None:
    got = CALENDAR.due(datetime.fromisoformat(start), days, ZONE)
    assert got.at == datetime.combine(
        date.fromisoformat(due), datetime.max.time().replace(microsecond=0), ZONE
    )
    assert got.provisional is provisional


@given(st.datetimes(datetime(2005, 1, 1), datetime(2028, 11, 1), timezones=st.just(UTC)), st.integers(1, 15))
def test_a_later_start_is_never_due_earlier_and_the_last_day_is_worked(start: datetime, days: int) -> None:
    due = CALENDAR.due(start, days, ZONE)
    assert CALENDAR.is_working_day(due.at.date())
    assert due.at > start
    assert CALENDAR.due(start, days + 1, ZONE).at > due.at


@pytest.mark.parametrize(
    ("after", "through", "days"),
    [
        ("2026-11-23", "2026-11-23", 0),
        ("2026-11-23", "2026-11-24", 1),
        ("2026-11-23", "2026-11-20", 0),  # never negative
        ("2026-11-20", "2026-11-22", 0),  # a weekend
        ("2026-11-20", "2026-11-23", 1),
        ("2026-09-30", "2026-10-13", 5),  # over National Day, with a worked Saturday
    ],
)
def test_working_days_between(after: str, through: str, days: int) -> None:
    assert CALENDAR.between(date.fromisoformat(after), date.fromisoformat(through)) == days


@given(st.datetimes(datetime(2005, 1, 1), datetime(2028, 11, 1), timezones=st.just(ZONE)), st.integers(1, 15))
def test_between_a_start_and_its_limit_lie_as_many_working_days_as_were_given(
    start: datetime, days: int
) -> None:
    assert CALENDAR.between(start.date(), CALENDAR.due(start, days, ZONE).at.date()) == days
