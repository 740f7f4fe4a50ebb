"""What a batch changes, written in bulk: new rows by COPY in key order, UPDATE only where something came later."""

from collections.abc import Iterable
from typing import Any

import msgspec
from psycopg2.extensions import cursor as Cursor

from pipeline.ledger import tables
from pipeline.ledger.copying import DELIMITER, NULL, array, copy_rows, insert, text, update, upsert_sums
from pipeline.rules.fold import Change, Changes, review_id, review_state
from pipeline.rules.measures import MEASURES, Tally
from pipeline.rules.records import Entry, Place
from pipeline.rules.tickets import Ticket
from schemas.events import CaseEvent, ReviewEvent

_SERVICE_KEY = ("case_no", "service_no")
_REVIEW_KEY = (*_SERVICE_KEY, "review_no", "event_id", "digest")
_SERVICE_COLUMNS = [column.name for column in tables.service.columns]
_REVIEW_COLUMNS = [column.name for column in tables.review.columns]
_encode = msgspec.json.Encoder().encode


def write(cursor: Cursor, changes: Changes, stripe: int) -> None:
    """Write everything but tickets' events, dead letters and positions. Blocks. Raises psycopg2 errors.

    A review without a service writes the service's row as a placeholder: two halves folded at the same moment run into
    its unique key, and whoever comes second does its batch again, seeing the other.
    """
    _services(cursor, changes.dossiers)
    _versions(cursor, changes.dossiers)
    _reviews(cursor, changes.dossiers)
    _tickets(cursor, changes.dossiers)
    _counters(cursor, changes.tally, stripe)


def _services(cursor: Cursor, dossiers: Iterable[Change]) -> None:
    cased = [change for change in dossiers if change.dossier.key.case_no]
    copy_rows(
        cursor, tables.service, _SERVICE_COLUMNS, [_service_row(change) for change in cased if change.new]
    )
    update(cursor, tables.service, _SERVICE_KEY, [_service(change) for change in cased if not change.new])


def _service(change: Change) -> dict[str, Any]:
    """The row of a dossier."""
    dossier, settled = change.dossier, change.settled
    current = settled.current
    event = current.event if current else None
    place = current.place if current else Place(None, None, None)  # type: ignore[arg-type]  # a placeholder lies nowhere
    return {
        "case_no": dossier.key.case_no,
        "service_no": dossier.key.service_no,
        "placeholder": event is None,
        "event_id": current.event_id if current else None,
        "digest": current.digest if current else None,
        "status": event.status.value if event else None,
        "item_code": event.item_code if event else "",
        "item_name": event.item_name if event else "",
        "dept_code": event.dept_code if event else "",
        "area_code": event.area_code if event else "",
        "hall_code": event.hall_code if event else "",
        "window_code": event.window_code if event else "",
        "staff_id": event.staff_id if event else "",
        "handling_mode": event.handling_mode.value if event else "",
        "source": event.source if event else "",
        "accepted_at": event.accepted_at if event else None,
        "served_at": event.served_at if event else None,
        "version_received_at": current.received_at if current else None,
        "received_at": settled.received_at,
        "topic": place.topic,
        "partition": place.partition,
        "offset": place.offset,
        "flags": current.flags if current else (),
        "versions": len(dossier.cases),
        "reviews": len(dossier.reviews),
        "disputed": settled.disputed,
        "outcome": settled.outcome.value if settled.outcome else None,
        "open_since": settled.open_since,
    }


def _service_row(change: Change) -> str:
    """The same as a COPY row, for the many: a new service."""
    dossier, settled, current = change.dossier, change.settled, change.settled.current
    key = dossier.key
    tail = (
        f"{len(dossier.cases)}\x02{len(dossier.reviews)}\x02{'t' if settled.disputed else 'f'}\x02"
        f"{settled.outcome.value if settled.outcome else NULL}\x02"
        f"{settled.open_since.isoformat() if settled.open_since else NULL}"
    )
    if current is None or settled.received_at is None:
        return f"{text(key.case_no)}\x02{key.service_no}\x02t{_NULL3}{_EMPTY9}{_NULL7}\x02{{}}\x02{tail}"
    e, place = current.event, current.place
    texts = (
        f"{e.item_code}\x02{e.item_name}\x02{e.dept_code}\x02{e.area_code}\x02{e.hall_code}\x02"
        f"{e.window_code}\x02{e.staff_id}\x02{e.handling_mode.value}\x02{e.source}"
    )
    return (
        f"{text(key.case_no)}\x02{key.service_no}\x02f\x02{text(current.event_id)}\x02{current.digest}\x02{e.status.value}\x02"
        f"{text(texts)}\x02{e.accepted_at.isoformat() if e.accepted_at else NULL}\x02{e.served_at.isoformat()}\x02"
        f"{current.received_at.isoformat()}\x02{settled.received_at.isoformat()}\x02"
        f"{place.topic}\x02{place.partition}\x02{place.offset}\x02{_flags(current.flags)}\x02{tail}"
    )


_NULL3 = (DELIMITER + NULL) * 3
_EMPTY9 = DELIMITER * 9
_NULL7 = (DELIMITER + NULL) * 7


def _flags(flags: tuple[str, ...]) -> str:
    return text(array(flags)) if flags else "{}"


def _versions(cursor: Cursor, dossiers: Iterable[Change]) -> None:
    """Case records beside the one whose content holds: rewritten as a whole, they are few."""
    many = [change for change in dossiers if len(change.dossier.cases) > 1]
    if not many:
        return
    cursor.execute(
        "delete from case_version v using unnest(%s::text[], %s::int[]) as k (case_no, service_no)"
        " where v.case_no = k.case_no and v.service_no = k.service_no",
        [[c.dossier.key.case_no for c in many], [c.dossier.key.service_no for c in many]],
    )
    insert(
        cursor,
        tables.case_version,
        [_version(entry) for c in many for entry in c.dossier.cases if entry is not c.settled.current],
    )


def _version(entry: Entry[CaseEvent]) -> dict[str, Any]:
    event = entry.event
    return {
        "case_no": event.case_no,
        "service_no": event.service_no,
        "event_id": entry.event_id,
        "digest": entry.digest,
        "received_at": entry.received_at,
        **entry.place._asdict(),
        "flags": entry.flags,
        "event": _encode(event).decode(),
    }


def _reviews(cursor: Cursor, dossiers: Iterable[Change]) -> None:
    new, later = [], []
    for change in dossiers:
        for entry in change.dossier.reviews:
            state = review_state(entry, change.settled)
            known = change.stored.get(review_id(entry)) if change.stored else None
            if known is None:
                new.append(_review_row(entry, effective=state.effective))
            elif known != state:
                later.append(_review_update(entry, effective=state.effective))
    copy_rows(cursor, tables.review, _REVIEW_COLUMNS, new)
    update(cursor, tables.review, _REVIEW_KEY, later)


def _review_row(entry: Entry[ReviewEvent], *, effective: bool) -> str:
    """A COPY row of a new review."""
    e, place = entry.event, entry.place
    objects = (
        f"{e.comment}\x02{e.submitted_at.isoformat()}\x02{entry.received_at.isoformat()}\x02{e.dept_code}\x02{e.item_code}\x02"
        f"{e.hall_code}\x02{e.window_code}\x02{e.staff_id}\x02{e.device_id}"
    )
    return (
        f"{text(e.case_no or '')}\x02{e.service_no}\x02{e.review_no}\x02{text(entry.event_id)}\x02{entry.digest}\x02"
        f"{'t' if effective else 'f'}\x02{e.satisfaction}\x02{e.channel.value}\x02"
        f"{text(array(e.reason_codes)) if e.reason_codes else '{}'}\x02{text(objects)}\x02"
        f"{NULL if e.device_seq is None else e.device_seq}\x02{e.device_prev or NULL}\x02{'t' if e.real_name else 'f'}\x02"
        f"{e.reviewer or NULL}\x02{text(e.reviewer_mark)}\x02{place.topic}\x02{place.partition}\x02{place.offset}\x02"
        f"{_flags(entry.flags)}\x02{entry.sent_digest or NULL}"
    )


def _review_update(entry: Entry[ReviewEvent], *, effective: bool) -> dict[str, Any]:
    event = entry.event
    return {
        "case_no": event.case_no or "",
        "service_no": event.service_no,
        "review_no": event.review_no,
        "event_id": entry.event_id,
        "digest": entry.digest,
        "effective": effective,
        "received_at": entry.received_at,
        "reviewer": event.reviewer,
        "reviewer_mark": event.reviewer_mark,
        "sent_digest": entry.sent_digest,
        **entry.place._asdict(),
        "flags": entry.flags,
    }


def _tickets(cursor: Cursor, dossiers: Iterable[Change]) -> None:
    new, later = [], []
    for change in dossiers:
        for ticket in change.tickets.values():
            was = change.opened.get(ticket.ticket_id)
            if was is None:
                new.append(_ticket(ticket))
            elif was.state != ticket.state:
                later.append(_ticket(ticket))
    insert(cursor, tables.ticket, new)
    update(cursor, tables.ticket, ["ticket_id"], later)


def _ticket(ticket: Ticket) -> dict[str, Any]:
    return {
        "ticket_id": ticket.ticket_id,
        "case_no": ticket.key.case_no,
        "service_no": ticket.key.service_no,
        "review_no": ticket.review.event.review_no,
        "event_id": ticket.review.event_id,
        "digest": ticket.review.digest,
        "satisfaction": ticket.review.event.satisfaction,
        "dept_code": ticket.dept_code,
        "routed_by": ticket.routed_by,
        "opened_at": ticket.opened_at,
        "contact_due_at": ticket.contact_due_at,
        "due_at": ticket.due_at,
        "provisional": ticket.provisional,
    }


def _counters(cursor: Cursor, tally: Tally, stripe: int) -> None:
    upsert_sums(
        cursor,
        tables.counter,
        [
            {"stripe": stripe, **key._asdict(), **dict(zip(MEASURES, counts, strict=True))}
            for key, counts in sorted(tally.items())
        ],
    )
