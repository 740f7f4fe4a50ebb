"""Opening hours: workdays of the official calendar, nine to twelve and one to five."""

from datetime import date, datetime, time, timedelta
from random import Random

from pipeline.rules.policy import COUNTY_ZONE
from pipeline.rules.working_days import official_calendar

HOURS = ((time(9), time(12)), (time(13), time(17)))
_DAY = timedelta(days=1)
_WEIGHTS = (3, 4)
"""How long each is: a citizen comes at any minute alike."""


def is_open(at: datetime) -> bool:
    """Whether the windows are open at this moment."""
    there = at.astimezone(COUNTY_ZONE)
    return is_workday(there.date()) and any(opens <= there.time() < closes for opens, closes in HOURS)


def is_workday(day: date) -> bool:
    """Whether offices work on this day."""
    return official_calendar().is_working_day(day)


def workday_from(day: date) -> date:
    """This day, or the next on which offices work."""
    while not is_workday(day):
        day += _DAY
    return day


def open_moment(rng: Random, day: date) -> datetime:
    """A moment at which the windows are open on this workday."""
    opens, closes = (moment(day, bound) for bound in rng.choices(HOURS, _WEIGHTS)[0])
    return opens + rng.random() * (closes - opens)


def any_moment(rng: Random, day: date) -> datetime:
    """A moment at which somebody is awake and online."""
    return moment(day, time()) + timedelta(hours=rng.triangular(6.0, 23.9))


def moment(day: date, at: time) -> datetime:
    """This time of the county's clocks."""
    return datetime.combine(day, at, COUNTY_ZONE)
