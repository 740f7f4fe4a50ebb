"""The services that a simulated county gives on a day: real departments, towns and item counts, invented cases."""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from random import Random

from msgspec.structs import replace

from pipeline.rules.policy import COUNTY_ZONE
from pipeline.rules.working_days import official_calendar
from producers.simulation.arrival import Arrival
from producers.simulation.ids import new_id
from schemas.catalogue import COUNTY, Department, Town, departments, towns
from schemas.codes import HandlingMode, Status
from schemas.events import CaseEvent

CASES_A_WORKING_DAY = 700
CASES_A_DAY_OFF = 120
ONLINE = 0.4
IN_TOWNS = 0.25
SENT_TWICE = 0.02
CORRECTED = 0.01
FURTHER_SERVICES = (0.80, 0.15, 0.05)
"""How likely a case has one, two or three services."""
LONGEST_CASE = timedelta(days=3)
OFFICE_HOURS = ((8.5, 12.0), (14.5, 18.0))
OWN_SYSTEM = 5
"""Every fifth department has a system of its own, which sends its cases in the night after, some a day later still."""
NIGHTLY = time(2, 30)


def cases(day: date, seed: int) -> Iterator[Arrival]:
    """The case events of the cases that begin on this day, in no order of time. The same for the same seed."""
    rng = Random(f"county {seed} {day}")
    many = CASES_A_WORKING_DAY if official_calendar().is_working_day(day) else CASES_A_DAY_OFF
    for n in range(1, many + 1):
        department = rng.choices(departments(), [d.items for d in departments()])[0]
        for event in _services(rng, day, department, f"SIM{seed}-{day:%Y%m%d}-{n:04d}"):
            yield from _sent(rng, event, own_system=departments().index(department) % OWN_SYSTEM == 0)


def _services(rng: Random, day: date, department: Department, case_no: str) -> Iterator[CaseEvent]:
    """One case: its first service on this day, further ones up to three days later."""
    online = rng.random() < ONLINE or not official_calendar().is_working_day(day)
    served_at = _moment(rng, day, online=online)
    accepted_at = served_at - timedelta(minutes=rng.randint(2, 20))
    number = 1 + int(department.items * rng.random() ** 2)
    place = "" if online else _hall(rng)
    many = rng.choices((1, 2, 3), FURTHER_SERVICES)[0]
    for service_no in range(1, many + 1):
        yield CaseEvent(
            case_no=case_no,
            event_id=new_id(rng, served_at),
            service_no=service_no,
            status=Status.COMPLETED if service_no == many else Status.IN_PROGRESS,
            item_code=department.item_code(number),
            item_name=f"{department.name}第 {number} 项",
            dept_code=department.code,
            area_code=place.partition("-")[2] or COUNTY,
            hall_code=place,
            window_code=f"{place}-{rng.randint(1, 20):02d}" if place else "",
            staff_id=f"{department.code[8:17]}-{rng.randint(1, 12):02d}",
            handling_mode=HandlingMode.ONLINE if online else HandlingMode.OFFLINE,
            accepted_at=accepted_at,
            served_at=served_at,
            source="simulated",
        )
        served_at += timedelta(hours=rng.uniform(0.2, LONGEST_CASE / timedelta(hours=2)))


def _sent(rng: Random, event: CaseEvent, *, own_system: bool) -> Iterator[Arrival]:
    """How the event reaches us: at once or in the night after, now and then twice, now and then corrected."""
    source = "/department" if own_system else "/platform"
    at = event.served_at + timedelta(seconds=rng.uniform(1, 40))
    if own_system:
        night = datetime.combine(
            event.served_at.astimezone(COUNTY_ZONE).date() + timedelta(days=1), NIGHTLY, COUNTY_ZONE
        )
        at = max(at, night) + timedelta(minutes=rng.uniform(0, 30), days=rng.random() < 0.1)
    yield Arrival(at, event, source)
    if rng.random() < SENT_TWICE:
        yield Arrival(at + timedelta(minutes=rng.uniform(1, 90)), event, source)
    if rng.random() < CORRECTED:
        later = at + timedelta(hours=rng.uniform(1, 20))
        corrected = replace(event, event_id=new_id(rng, later), item_name=f"{event.item_name}（更正）")
        yield Arrival(later, corrected, source)


def _moment(rng: Random, day: date, *, online: bool) -> datetime:
    begin, end = (6.0, 23.9) if online else rng.choice(OFFICE_HOURS)
    hours = rng.triangular(begin, end) if online else rng.uniform(begin, end)
    return datetime.combine(day, time(), COUNTY_ZONE) + timedelta(hours=hours)


def _hall(rng: Random) -> str:
    """The county's hall, or a town's: its code ends with the area's."""
    town: Town = rng.choice(towns())
    return f"T-{town.area_code}" if rng.random() < IN_TOWNS else f"H-{COUNTY}"
