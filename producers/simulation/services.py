"""Which services a county in miniature gives, when and where: real departments and item counts, invented cases."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from random import Random

from pipeline.rules.policy import COUNTY_ZONE
from producers.simulation.halls import busy_window, halls
from producers.simulation.hours import any_moment, is_workday, open_moment, workday_from
from producers.simulation.ids import new_id
from producers.simulation.miniature import Miniature
from producers.simulation.shares import OFF_DUTY, ONLINE
from schemas.catalogue import COUNTY, Department, departments
from schemas.codes import HandlingMode, Status
from schemas.events import CaseEvent

FURTHER_SERVICES = (0.80, 0.15, 0.05)
"""How likely a case has one, two or three services."""
_DAY = timedelta(days=1)


def services(county: Miniature) -> Iterator[CaseEvent]:
    """Every service given in the county's time, in its order. Holds a few days of them in memory."""
    day = county.began.astimezone(COUNTY_ZONE).date()
    later: list[CaseEvent] = []
    while day <= county.until.astimezone(COUNTY_ZONE).date():
        given = later + [service for service in _begun(county, day) if service.served_at >= county.began]
        is_of_today = [_day_of(service) <= day for service in given]
        today = [service for service, now in zip(given, is_of_today, strict=True) if now]
        later = [service for service, now in zip(given, is_of_today, strict=True) if not now]
        yield from (one for one in sorted(today, key=_order) if one.served_at < county.until)
        day += _DAY


def _begun(county: Miniature, day: date) -> Iterator[CaseEvent]:
    """The services, also later ones, of the cases that begin on this day."""
    rng = Random(f"{county.name} services {day}")
    many = county.rate if is_workday(day) else round(county.rate * ONLINE * OFF_DUTY)
    for n in range(1, many + 1):
        online = rng.random() < ONLINE or not is_workday(day)
        yield from _case(county, rng, day, f"{county.case_prefix}{day:%m%d}-{n:05d}", online=online)


def _case(county: Miniature, rng: Random, day: date, case_no: str, *, online: bool) -> Iterator[CaseEvent]:
    department = rng.choices(departments(), [one.items for one in departments()])[0]
    item = 1 + int(department.items * rng.random() ** 2)
    hall, window = ("", "") if online else _place(county, rng)
    many = rng.choices((1, 2, 3), FURTHER_SERVICES)[0]
    for service_no, served_at in enumerate(_moments(rng, day, many, online=online), start=1):
        yield CaseEvent(
            case_no=case_no,
            event_id=new_id(rng, served_at),
            service_no=service_no,
            status=Status.COMPLETED if service_no == many else Status.IN_PROGRESS,
            item_code=department.item_code(item),
            item_name=f"{department.name}第 {item} 项",
            dept_code=department.code,
            area_code=hall.partition("-")[2] or COUNTY,
            hall_code=hall,
            window_code=window,
            staff_id=_staff(rng, department),
            handling_mode=HandlingMode.ONLINE if online else HandlingMode.OFFLINE,
            accepted_at=served_at - timedelta(minutes=rng.randint(2, 20)),
            served_at=served_at,
        )


def _place(county: Miniature, rng: Random) -> tuple[str, str]:
    hall, window = busy_window(rng, halls(county.halls))
    return hall.code, window


def _moments(rng: Random, day: date, many: int, *, online: bool) -> Iterator[datetime]:
    """When a case's services are given: the first on this day, each further one a day or two later."""
    for _ in range(many):
        at = any_moment(rng, day) if online else open_moment(rng, workday_from(day))
        yield at.replace(microsecond=0)
        day = at.date() + rng.randint(1, 2) * _DAY


def _staff(rng: Random, department: Department) -> str:
    return f"{department.code[8:17]}-{rng.randint(1, 12):02d}"


def _day_of(service: CaseEvent) -> date:
    return service.served_at.astimezone(COUNTY_ZONE).date()


def _order(service: CaseEvent) -> tuple[datetime, str]:
    return service.served_at, str(service.event_id)
