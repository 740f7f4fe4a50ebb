"""Tickets for the desk: how many are open, a page of them, one with all that belongs to it. Reviewers are never read.

A ticket's state and department are those of its last step in the office; without a step it is `new`, and its service's.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, Row, Select, and_, func, or_, select

from pipeline.ledger.case_versions import Decided, Said, decided_of, owner_of, said_of
from pipeline.ledger.office_tables import ticket_step
from pipeline.ledger.tables import review, service, ticket
from pipeline.ledger.ticket_state import dept_code, state, tickets
from schemas.tickets import CLOSED

OTHERS = 50
"""Other reviews of a ticket's service that are read."""


class Counts(NamedTuple):
    """Open tickets; of them overdue, and due until the end of today."""

    open: int = 0
    overdue: int = 0
    due_today: int = 0


class Choice(NamedTuple):
    """Which open tickets: of one department or all, all or only those whose due time is before `overdue_at`."""

    dept_code: str | None = None
    overdue_at: datetime | None = None


class Whole(NamedTuple):
    """A ticket with its review and service (one row), its steps, and the other reviews of the same service: the first of
    `others_count`, for one number may stand for everybody. `said`: who says what of a service that is
    disputed, or was decided; `decided`: what persons decided, the last on top. `went_on`: the
    service has become another department's since people began to work on the ticket, which stays. `owner`: who is signed
    as the sender of the service's owner, behind whose reviews those of other systems rank; "" if nobody is.
    """

    ticket: Row[Any]
    steps: Sequence[Row[Any]]
    others: Sequence[Row[Any]]
    others_count: int
    said: Sequence[Said]
    decided: Sequence[Decided]
    went_on: bool
    owner: str


_review_of_ticket = and_(
    *(
        review.c[name] == ticket.c[name]
        for name in ("case_no", "service_no", "review_no", "event_id", "digest")
    )
)
_service_of_ticket = and_(*(service.c[name] == ticket.c[name] for name in ("case_no", "service_no")))
_with_review = tickets.join(review, _review_of_ticket).outerjoin(service, _service_of_ticket)

_LINE = (
    *(ticket.c[name] for name in ("ticket_id", "satisfaction", "due_at")),
    dept_code.label("dept_code"),
    *(review.c[name] for name in ("reason_codes", "comment", "submitted_at")),
    *(service.c[name] for name in ("placeholder", "item_name", "item_code")),
    state.label("state"),
)
_TICKET = ("case_no", "service_no", "review_no", "routed_by", "opened_at", "contact_due_at", "provisional")
_REVIEW = ("channel", "received_at", "effective", "real_name", "flags", "sender")
_SERVICE = ("status", "handling_mode", "served_at", "versions", "disputed")
_PLACE = ("hall_code", "window_code", "staff_id")
_WHOLE = (
    *_LINE,
    *(ticket.c[name] for name in _TICKET),
    ticket.c.dept_code.label("case_dept_code"),
    *(review.c[name] for name in _REVIEW),
    *(service.c[name] for name in _SERVICE),
    *(func.coalesce(func.nullif(service.c[name], ""), review.c[name]).label(name) for name in _PLACE),
)
_OTHER = tuple(
    review.c[name]
    for name in (
        *("review_no", "satisfaction", "channel", "reason_codes", "comment"),
        *("submitted_at", "received_at", "effective", "sender"),
    )
)


def counts(connection: Connection, now: datetime, today_ends: datetime) -> dict[str, Counts]:
    """Open tickets by department; departments without any are left out. Times are aware. Blocks."""
    late = ticket.c.due_at < now
    today = and_(~late, ticket.c.due_at < today_ends)
    query = _open(
        select(dept_code, func.count(), func.count().filter(late), func.count().filter(today)).select_from(
            tickets
        )
    ).group_by(dept_code)
    return {dept: Counts(*numbers) for dept, *numbers in connection.execute(query)}


def page(connection: Connection, choice: Choice, offset: int, limit: int) -> Sequence[Row[Any]]:
    """Open tickets, what is due first on top. Blocks."""
    query = _open(select(*_LINE).select_from(_with_review))
    if choice.dept_code is not None:
        query = query.where(dept_code == choice.dept_code)
    if choice.overdue_at is not None:
        query = query.where(ticket.c.due_at < choice.overdue_at)
    query = query.order_by(ticket.c.due_at, ticket.c.ticket_id).offset(offset).limit(limit)
    return connection.execute(query).all()


def one(connection: Connection, ticket_id: UUID) -> Whole | None:
    """This ticket, open or not; None if there is none. Blocks."""
    query = select(*_WHOLE).select_from(_with_review).where(ticket.c.ticket_id == ticket_id)
    found = connection.execute(query).one_or_none()
    if found is None:
        return None
    in_order = select(ticket_step).where(ticket_step.c.ticket_id == ticket_id).order_by(ticket_step.c.step_no)
    steps = connection.execute(in_order).all()
    others = connection.execute(_others(ticket_id).limit(OTHERS)).all()
    count = len(others)
    if count == OTHERS:
        count = connection.scalar(select(func.count()).select_from(_others(ticket_id).subquery())) or count
    decided = decided_of(connection, found.case_no, found.service_no) if found.case_no else []
    said = said_of(connection, found.case_no, found.service_no) if found.disputed or decided else []
    went_on = bool(steps) and steps[0].dept_code != found.case_dept_code
    owner = owner_of(connection, found.case_no, found.service_no)
    return Whole(found, steps, others, count, said, decided, went_on, owner.sender if owner else "")


def _others(ticket_id: UUID) -> Select[Any]:
    """The reviews beside this ticket's: conflicts, follow-ups, defaults. Reviews without a case share only an event."""
    same_service = and_(review.c.case_no == ticket.c.case_no, review.c.service_no == ticket.c.service_no)
    same_dossier = and_(
        same_service, or_(ticket.c.case_no != "", review.c.event_id == ticket.c.event_id), ~_review_of_ticket
    )
    return (
        select(*_OTHER)
        .select_from(ticket.join(review, same_dossier))
        .where(ticket.c.ticket_id == ticket_id)
        .order_by(review.c.review_no, review.c.received_at, review.c.event_id, review.c.digest)
    )


def _open(query: Select[Any]) -> Select[Any]:
    return query.where(state.not_in(CLOSED))
