"""Whose a review is: the department that served, or the one that the review itself hints at."""

from typing import NamedTuple

from pipeline.rules.records import Entry
from schemas.catalogue import COUNTY_OFFICE
from schemas.events import CaseEvent, ReviewEvent

_USCC_LENGTH = 18
_ITEM_LENGTH = 31


class Route(NamedTuple):
    """Where a ticket goes, and by what: `case`, the review's own `hint`, or the `county` office for want of both."""

    dept_code: str
    by: str


def hinted_department(event: ReviewEvent) -> str:
    """The department that a review names, itself or within its item's code (18 + 13 characters); empty if none."""
    if event.dept_code:
        return event.dept_code
    return event.item_code[:_USCC_LENGTH] if len(event.item_code) >= _ITEM_LENGTH else ""


def route(case: Entry[CaseEvent] | None, review: ReviewEvent) -> Route:
    """The matched case wins over what the sender of the review knew."""
    if case is not None:
        return Route(case.event.dept_code, "case")
    hint = hinted_department(review)
    return Route(hint, "hint") if hint else Route(COUNTY_OFFICE, "county")
