"""The first step of a ticket (差评工单): one for each bad review event, whatever its outcome (`domain.md`, 5)."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from pipeline.rules.policy import Policy
from pipeline.rules.records import Dossier, Entry, Key
from pipeline.rules.routing import route
from pipeline.rules.settle import Settled
from schemas.codes import BAD_LEVELS
from schemas.events import ReviewEvent
from schemas.identifiers import derived_id


class Ticket(NamedTuple):
    """A ticket as the log decides it; what people do with it is the office's. Times are aware."""

    ticket_id: UUID
    key: Key
    review: Entry[ReviewEvent]
    dept_code: str
    routed_by: str
    opened_at: datetime
    contact_due_at: datetime
    due_at: datetime
    provisional: bool

    @property
    def state(self) -> tuple[str, str, datetime]:
        """What later records can still change."""
        return self.dept_code, self.routed_by, self.opened_at


def tickets(dossier: Dossier, settled: Settled, policy: Policy) -> dict[UUID, Ticket]:
    """The tickets of a dossier's bad reviews, also of conflicts and orphans, by id."""
    opened = {}
    for entry in dossier.reviews:
        if entry.event.satisfaction in BAD_LEVELS:
            ticket = _open(dossier.key, entry, settled, policy)
            opened[ticket.ticket_id] = ticket
    return opened


def _open(key: Key, entry: Entry[ReviewEvent], settled: Settled, policy: Policy) -> Ticket:
    dept_code, by = route(settled.current, entry.event)
    contact = policy.calendar.due(entry.received_at, policy.contact_working_days, policy.zone)
    rectify = policy.calendar.due(entry.received_at, policy.rectify_working_days, policy.zone)
    return Ticket(
        ticket_id(key, entry),
        key,
        entry,
        dept_code,
        by,
        entry.received_at,
        contact.at,
        rectify.at,
        rectify.provisional,
    )


def ticket_id(key: Key, entry: Entry[ReviewEvent]) -> UUID:
    """The id that this review event's ticket always has."""
    return derived_id(
        "ticket", key.case_no, key.service_no, entry.event.review_no, entry.event_id, entry.digest
    )
