"""Working days (工作日): the calendar is data, a year whose notice is not published is provisional."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from schemas.codes import read_csv

_DAY = timedelta(days=1)
_END_OF_DAY = time(23, 59, 59)


class Due(NamedTuple):
    """A time limit. `provisional`: a year that it runs through has no published calendar yet."""

    at: datetime
    provisional: bool


@dataclass(frozen=True, slots=True)
class Calendar:
    """`holidays` are free, `worked` weekends are worked; `published` are the years whose notice is loaded."""

    holidays: frozenset[date]
    worked: frozenset[date]
    published: frozenset[int]

    def is_working_day(self, day: date) -> bool:
        """Whether offices work on this day."""
        if day in self.worked:
            return True
        return day.weekday() < 5 and day not in self.holidays

    def due(self, start: datetime, days: int, zone: ZoneInfo) -> Due:
        """The end of the n-th working day after `start`, in `zone`.

        The day of the event does not count, the last day counts to its end (民法典, articles 201 and 203).
        """
        day = first = start.astimezone(zone).date()
        for _ in range(days):
            day += _DAY
            while not self.is_working_day(day):
                day += _DAY
        provisional = not self.published.issuperset(range(first.year, day.year + 1))
        return Due(datetime.combine(day, _END_OF_DAY, zone), provisional)

    def between(self, after: date, through: date) -> int:
        """How many working days lie after the first date, up to the second and with it; 0 if that is not later."""
        days = (after + _DAY * n for n in range(1, (through - after).days + 1))
        return sum(self.is_working_day(day) for day in days)


@cache
def official_calendar() -> Calendar:
    """The calendar of our package data: the State Council's notices, and provisional statutory days after them."""
    rows = [(date.fromisoformat(row["date"]), row["kind"]) for row in read_csv("working_days.csv")]
    provisional = {date.fromisoformat(row["date"]) for row in read_csv("provisional_holidays.csv")}
    return Calendar(
        holidays=frozenset({day for day, kind in rows if kind == "holiday"} | provisional),
        worked=frozenset(day for day, kind in rows if kind == "workday_swap"),
        published=frozenset(day.year for day, _ in rows),
    )
