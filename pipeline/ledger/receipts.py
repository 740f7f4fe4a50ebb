"""What became of one review, by its event's id: for the citizen who has its receipt. Identities and words are never read."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, func, select

from pipeline.ledger.tables import review, ticket
from pipeline.ledger.ticket_state import dept_code, state, tickets


class Standing(NamedTuple):
    """A review's ticket: who has it, where it stands, until when it has to be dealt with. Times are aware."""

    state: str
    dept_code: str
    opened_at: datetime
    due_at: datetime


def ticket_of(connection: Connection, event_id: str) -> Standing | None:
    """The ticket of this review; None if it has none, or is not in the ledger yet. Blocks."""
    found = connection.execute(
        select(state, dept_code, ticket.c.opened_at, ticket.c.due_at)
        .select_from(tickets)
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
