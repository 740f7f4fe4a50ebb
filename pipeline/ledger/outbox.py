"""The outbox: what the fold has to tell the log, written in its transaction, sent by the relay afterwards."""

import base64
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any
from uuid import UUID

import msgspec
from psycopg2.extensions import cursor as Cursor

from pipeline.ledger.decode import VERSION, DeadLetter
from pipeline.ledger.ticket_state import taken
from pipeline.rules.fold import Change
from pipeline.rules.settle import Settled
from pipeline.rules.tickets import Ticket
from schemas.cloudevents import cloud_headers
from schemas.events import TicketEvent, TicketReview
from schemas.identifiers import derived_id
from schemas.topics import Stream

_encode = msgspec.json.Encoder().encode


def headers_json(headers: Iterable[tuple[str, bytes | None]]) -> str:
    """Headers as the tables keep them: [[name, base64 or null], …]."""
    return _encode(
        [[name, None if value is None else base64.b64encode(value).decode()] for name, value in headers]
    ).decode()


def headers_from(stored: list[list[str | None]]) -> list[tuple[str, bytes | None]]:
    """The headers again."""
    return [(str(name), None if value is None else base64.b64decode(value)) for name, value in stored]


def told(cursor: Cursor, changes: Iterable[Change]) -> list[dict[str, Any]]:
    """The steps that a batch makes tickets take: `opened`, `rerouted`, `redated`. Blocks.

    A department or date that changes is told while the ticket is new; what people have taken on stays where it is.
    """
    having = [change for change in changes if change.tickets]
    kept = taken(cursor, [ticket.ticket_id for change in having for ticket in _changed(change)])
    return [row for change in having for row in ticket_rows(change, kept)]


def ticket_rows(change: Change, kept: AbstractSet[UUID] = frozenset()) -> list[dict[str, Any]]:
    """The steps of one dossier's tickets; none of those that are `kept` where they are."""
    opened = [
        _ticket_row(ticket, change.settled, "opened")
        for ticket in change.tickets.values()
        if ticket.ticket_id not in change.opened
    ]
    return opened + [
        _ticket_row(ticket, change.settled, _step(change, ticket))
        for ticket in _changed(change)
        if ticket.ticket_id not in kept
    ]


def _changed(change: Change) -> list[Ticket]:
    """Those that were open and go to another department now, or were opened at another time."""
    return [ticket for ticket in change.tickets.values() if _step(change, ticket)]


def _step(change: Change, ticket: Ticket) -> str:
    """What happened to a ticket that was open; "" for nothing."""
    was = change.opened.get(ticket.ticket_id)
    if was is None:
        return ""
    if was.dept_code != ticket.dept_code:
        return "rerouted"
    return "redated" if was.opened_at != ticket.opened_at else ""


def _ticket_row(ticket: Ticket, settled: Settled, step: Any) -> dict[str, Any]:
    review = ticket.review.event
    rerouted = step == "rerouted" and settled.current is not None
    event = TicketEvent(
        event_id=str(derived_id(ticket.ticket_id, step, ticket.dept_code, ticket.opened_at.isoformat())),
        ticket_id=str(ticket.ticket_id),
        step=step,
        state="new",
        dept_code=ticket.dept_code,
        due_at=ticket.due_at,
        opened_at=ticket.opened_at,
        at=settled.current.received_at if rerouted and settled.current else ticket.opened_at,
        actor_role="system",
        review=TicketReview(review.satisfaction, review.channel, review.reason_codes),
    )
    return ticket_event_row(event)


def ticket_event_row(event: TicketEvent) -> dict[str, Any]:
    """A step of a ticket for `hcp.ticket.v1`."""
    headers = cloud_headers(event.event_id, Stream.TICKET, "/worker", event.at.isoformat(), event.ticket_id)
    return _row(Stream.TICKET, event.ticket_id.encode(), headers, _encode(event))


def dead_letter_row(dead: DeadLetter, at: str) -> dict[str, Any]:
    """A dead letter for `hcp.dead-letter.v1`: why, and where it lay; the record's own key, headers and bytes sealed.

    Of one that is not kept as it was the value is its sealed parts.
    """
    headers: dict[str, bytes | None] = {
        "hcp_reason": dead.reason.encode(),
        "hcp_message": dead.message.encode(),
        "hcp_topic": dead.place.topic.encode(),
        "hcp_partition": str(dead.place.partition).encode(),
        "hcp_offset": str(dead.place.offset).encode(),
        "hcp_version": VERSION.encode(),
        "hcp_at": at.encode(),
    }
    if dead.around is not None:
        headers["hcp_around"] = dead.around
    if dead.parts is not None:
        headers |= {"hcp_parts": b"1", "hcp_records": str(dead.records).encode()}
    return _row(Stream.DEAD_LETTER, None, headers, dead.parts or dead.value)


def _row(
    stream: Stream, key: bytes | None, headers: Mapping[str, bytes | None], value: bytes
) -> dict[str, Any]:
    return {"stream": stream.value, "key": key, "headers": headers_json(headers.items()), "value": value}
