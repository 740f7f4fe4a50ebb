"""The county's figures, handed to the rules by whoever composes them."""

from dataclasses import dataclass, field
from datetime import timedelta
from zoneinfo import ZoneInfo

from pipeline.rules.working_days import Calendar, official_calendar

COUNTY_ZONE = ZoneInfo("Asia/Shanghai")


@dataclass(frozen=True, slots=True)
class Policy:
    """Windows, limits and calendar (`domain.md`, 3 and 5). Days are counted in `zone`."""

    window: timedelta = timedelta(hours=24)
    collection_limit: timedelta = timedelta(hours=24)
    contact_working_days: int = 1
    rectify_working_days: int = 5
    zone: ZoneInfo = COUNTY_ZONE
    calendar: Calendar = field(default_factory=official_calendar)
