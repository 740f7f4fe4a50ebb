"""How a time is shown to a person: 2026-11-23 15:20:00+08:00, in the county's zone. JSON has RFC 3339 in UTC."""

from datetime import datetime
from zoneinfo import ZoneInfo


def shown(at: datetime, zone: ZoneInfo) -> str:
    """The time in this zone with its offset, to the second."""
    return at.astimezone(zone).isoformat(sep=" ", timespec="seconds")
