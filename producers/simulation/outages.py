"""When a terminal is cut off from the net: its reviews come all at once when it is back."""

from datetime import datetime, timedelta
from random import Random

from pipeline.rules.policy import COUNTY_ZONE
from producers.simulation.hours import open_moment, workday_from
from producers.simulation.miniature import Miniature

OUTAGES = 0.08
"""Of a terminal's days."""
HOURS = 0.5, 5.0


def back_at(county: Miniature, terminal: str, at: datetime) -> datetime | None:
    """When this terminal, offline at this moment, is back; None if it is online."""
    day = at.astimezone(COUNTY_ZONE).date()
    rng = Random(f"{county.name} outage {terminal} {day}")
    if rng.random() >= OUTAGES:
        return None
    begin = open_moment(rng, workday_from(day))
    end = begin + timedelta(hours=rng.uniform(*HOURS))
    return end if begin <= at < end else None
