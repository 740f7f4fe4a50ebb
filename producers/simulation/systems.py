"""How the record of a service reaches us: at once from the platform, by night from a department's own system, or late."""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from random import Random

from msgspec.structs import replace

from pipeline.rules.policy import COUNTY_ZONE
from producers.simulation.hours import moment
from producers.simulation.ids import new_id
from producers.simulation.miniature import Miniature
from producers.simulation.senders import LATE, OWN_SYSTEM, PLATFORM, own_system
from producers.simulation.step import Step, Trouble, Way
from schemas.catalogue import departments
from schemas.events import CaseEvent

NIGHTLY = time(2, 30)
LATE_HOURS = 6, 72
"""How much after the night a late department sends."""
SENT_TWICE = 0.02
CORRECTED = 0.01
_PLACES = {department.code: place for place, department in enumerate(departments())}


def reports(county: Miniature, case: CaseEvent, rng: Random) -> Iterator[Step]:
    """The steps that bring this service, and its correction."""
    first = _first(county, case, rng)
    if first.trouble is Trouble.NONE and rng.random() < SENT_TWICE:
        first = first._replace(trouble=Trouble.AGAIN)
    yield first
    if rng.random() < CORRECTED:
        later = first.at + timedelta(hours=rng.uniform(0.5, 12))
        again = replace(case, event_id=new_id(rng, later), item_name=f"{case.item_name}（更正）")
        yield first._replace(at=later, event=again, trouble=Trouble.CORRECTED)


def _first(county: Miniature, case: CaseEvent, rng: Random) -> Step:
    place = _PLACES[case.dept_code]
    if place % OWN_SYSTEM:
        at = case.served_at + timedelta(seconds=rng.uniform(1, 40))
        return Step(at, Way.SINGLE, case, PLATFORM)
    day = case.served_at.astimezone(COUNTY_ZONE).date()
    late = place % LATE == 0
    at = (
        _night_after(day)
        + timedelta(minutes=place)
        + (_lateness(county, place, day) if late else timedelta())
    )
    return Step(at, Way.BATCH, case, own_system(place), Trouble.LATE if late else Trouble.NONE)


def _night_after(day: date) -> datetime:
    return moment(day + timedelta(days=1), NIGHTLY)


def _lateness(county: Miniature, place: int, day: date) -> timedelta:
    """The same for all services of this department on this day: they come as one."""
    return timedelta(hours=Random(f"{county.name} late {place} {day}").uniform(*LATE_HOURS))
