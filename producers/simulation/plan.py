"""The plan of a county in miniature: everything that is sent, in the order in which it is sent. Pure; the same for the same."""

import heapq
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import count
from random import Random

from producers.simulation.halls import halls
from producers.simulation.miniature import Miniature
from producers.simulation.services import services
from producers.simulation.step import Step, Trouble
from producers.simulation.systems import reports
from producers.simulation.voices import voices
from schemas.events import CaseEvent

Waiting = list[tuple[datetime, datetime, int, Step]]


def plan(county: Miniature) -> Iterator[Step]:
    """Every step before the county's end. What would come later is left out, as it is in life."""
    return _with_a_reinstalled_terminal(county, _in_order(county))


def _in_order(county: Miniature) -> Iterator[Step]:
    """Nothing is sent before its service is given: what is due by then can be told."""
    waiting: Waiting = []
    number = count()
    for service in services(county):
        yield from _due(waiting, service.served_at)
        for step in _steps(county, service):
            heapq.heappush(waiting, (step.at, step.occurred, next(number), step))
    yield from _due(waiting, county.until)


def _due(waiting: Waiting, until: datetime) -> Iterator[Step]:
    while waiting and waiting[0][0] < until:
        yield heapq.heappop(waiting)[-1]


def _steps(county: Miniature, service: CaseEvent) -> Iterator[Step]:
    about = f"{county.name} {service.case_no} {service.service_no}"
    yield from reports(county, service, Random(f"system {about}"))
    yield from voices(county, service, Random(f"citizen {about}"))


def reinstalled(county: Miniature) -> str:
    """The terminal that is installed anew in the middle of the time, and begins to count at 1 again."""
    return halls(county.halls)[0].window_codes[0]


def _with_a_reinstalled_terminal(county: Miniature, steps: Iterable[Step]) -> Iterator[Step]:
    """If it has sent anything before."""
    terminal, middle = reinstalled(county), county.began + timedelta(days=county.days / 2)
    used, done = False, False
    for step in steps:
        if step.sender == terminal and used and not done and step.at >= middle:
            done = True
            yield step._replace(trouble=Trouble.REINSTALLED)
        else:
            used = used or step.sender == terminal
            yield step
