"""How pages for citizens say times and places."""

from datetime import datetime
from zoneinfo import ZoneInfo

from schemas.catalogue import department_names


def moment(at: datetime, zone: ZoneInfo) -> str:
    """2026年11月23日 15:20."""
    there = at.astimezone(zone)
    return f"{day(at, zone)} {there:%H:%M}"


def day(at: datetime, zone: ZoneInfo) -> str:
    """2026年11月23日."""
    there = at.astimezone(zone)
    return f"{there.year}年{there.month}月{there.day}日"


def department(code: str) -> str:
    """A department's name; empty for a code that the catalogue does not know."""
    return department_names().get(code, "")
