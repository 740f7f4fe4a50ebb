"""What became of one review, by its event's id: for the citizen who has its receipt. Identities and words are never read."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, func, select, true

from pipeline.ledger.office_tables import ticket_step
from pipeline.ledger.tables import review, ticket
from schemas.tickets import State


class Standing(NamedTuple):
    """A review's ticket: who has it, where it stands, until when it has to be dealt with. Times are aware."""

    state: str
    dept_code: str
    opened_at: datetime
    due_at: datetime


_last_step = (
    select(ticket_step.c.state)
    .where(ticket_step.c.ticket_id == ticket.c.ticket_id)
    .order_by(ticket_step.c.step_no.desc())
    .limit(1)
    .lateral("last_step")
)


def ticket_of(connection: Connection, event_id: str) -> Standing | None:
    """The ticket of this review; None if it has none, or is not in the ledger yet. Blocks."""
    columns = (ticket.c.dept_code, ticket.c.opened_at, ticket.c.due_at)
    found = connection.execute(
        select(func.coalesce(_last_step.c.state, State.NEW.value), *columns)
        .select_from(ticket.outerjoin(_last_step, true()))
        .where(ticket.c.event_id == event_id)
        .order_by(ticket.c.opened_at)
        .limit(1)
    ).one_or_none()
    return Standing(*found) if found else None


def received_at(connection: Connection, event_id: str) -> datetime | None:
    """Since when the ledger has a review of this id; None if it has none. Blocks: milliseconds, by the index `review_event`."""
    found: datetime | None = connection.scalar(
        select(func.min(review.c.received_at)).where(review.c.event_id == event_id)
    )
    return found
