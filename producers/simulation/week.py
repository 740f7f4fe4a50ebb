"""The timeline of a simulated county between two moments, in the order in which it reaches us."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from random import Random

from pipeline.rules.policy import COUNTY_ZONE
from producers.simulation.arrival import Arrival
from producers.simulation.citizens import Seal, reviews
from producers.simulation.county import LONGEST_CASE, cases
from schemas.events import CaseEvent

LOOK_BACK = LONGEST_CASE + timedelta(days=4)
"""What began earlier sends nothing any more: three days of services, three of a citizen, one of a late system."""


def week(seed: int, began: datetime, since: datetime, until: datetime, seal: Seal) -> list[Arrival]:
    """What reaches us after `since`, up to `until`, of services given after `began`. The same for the same seed.

    The parts of a week that is cut somewhere are the week.
    """
    day = max(began, since - LOOK_BACK).astimezone(COUNTY_ZONE).date()
    arrivals: list[Arrival] = []
    while day <= until.astimezone(COUNTY_ZONE).date():
        begun = (arrival for arrival in cases(day, seed) if _served_at(arrival) >= began)
        arrivals += with_reviews(begun, seed, seal)
        day += timedelta(days=1)
    return sorted((a for a in arrivals if since < a.at <= until), key=_order)


def _served_at(arrival: Arrival) -> datetime:
    return arrival.event.served_at if isinstance(arrival.event, CaseEvent) else arrival.event.submitted_at


def with_reviews(arrivals: Iterable[Arrival], seed: int, seal: Seal) -> Iterator[Arrival]:
    """These case events, and what simulated citizens say of each service, in no order."""
    heard = set()
    for arrival in arrivals:
        yield arrival
        case = arrival.event
        if isinstance(case, CaseEvent) and (case.case_no, case.service_no) not in heard:
            heard.add((case.case_no, case.service_no))
            yield from reviews(case, Random(f"citizens {seed} {case.case_no} {case.service_no}"), seal)


def _order(arrival: Arrival) -> tuple[datetime, str]:
    return arrival.at, str(arrival.event.event_id)
