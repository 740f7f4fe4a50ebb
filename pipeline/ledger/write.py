"""What a batch changes, written in bulk: new rows by COPY in key order, UPDATE only where something came later."""

from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec.structs import asdict
from psycopg2.extensions import cursor as Cursor

from pipeline.ledger import tables
from pipeline.ledger.copying import Row, copy_rows, insert, update, upsert_sums
from pipeline.ledger.rows import (
    REVIEW_COLUMNS,
    SERVICE_COLUMNS,
    VERSION_COLUMNS,
    review_row,
    service_row,
    version_row,
)
from pipeline.rules.fold import Change, Changes, review_id, review_state, version_id, version_state
from pipeline.rules.measures import MEASURES, Tally
from pipeline.rules.records import Entry, Key
from pipeline.rules.tickets import Ticket
from schemas.events import CaseEvent, DecisionEvent, ReviewEvent

_SERVICE_KEY = ("case_no", "service_no")
_REVIEW_KEY = (*_SERVICE_KEY, "review_no", "event_id", "digest")
_VERSION_KEY = (*_SERVICE_KEY, "event_id", "digest")
_DELETE_VERSIONS = """
    delete from case_version v using unnest(%s::text[], %s::int[], %s::text[], %s::uuid[])
        as k (case_no, service_no, event_id, digest)
    where v.case_no = k.case_no and v.service_no = k.service_no and v.event_id = k.event_id and v.digest = k.digest"""


def write(cursor: Cursor, changes: Changes, stripe: int) -> None:
    """Write everything but tickets' events, dead letters and positions. Blocks. Raises psycopg2 errors.

    A review without a service writes the service's row as a placeholder: two halves folded at the same moment run into
    its unique key, and whoever comes second does its batch again, seeing the other.
    """
    _services(cursor, changes.dossiers)
    _versions(cursor, changes.dossiers)
    _decisions(cursor, changes.dossiers)
    _reviews(cursor, changes.dossiers)
    write_tickets(cursor, changes.dossiers)
    _reroutes(cursor, [change.dossier.key for change in changes.dossiers if change.reroutes])
    _counters(cursor, changes.tally, stripe)


def _services(cursor: Cursor, dossiers: Iterable[Change]) -> None:
    cased = [change for change in dossiers if change.dossier.key.case_no]
    later = [service_row(change) for change in cased if not change.new]
    copy_rows(
        cursor, tables.service, SERVICE_COLUMNS, (service_row(change) for change in cased if change.new)
    )
    update(cursor, tables.service, _SERVICE_KEY, [_service_update(row) for row in later])


def _service_update(row: Row) -> dict[str, Any]:
    named = dict(zip(SERVICE_COLUMNS, row, strict=True))
    if named["crowd"] is not None:
        named["crowd"] = msgspec.Raw(named["crowd"].encode())  # JSON within JSON, no text
    return named


def _versions(cursor: Cursor, dossiers: Iterable[Change]) -> None:
    """Case records beside the one whose content holds: what came and what changed; which of them holds may change too."""
    new, later, gone = [], [], []
    for change in dossiers:
        if len(change.dossier.cases) < 2:
            continue
        for entry in change.dossier.cases:
            known = change.versions.get(version_id(entry))
            if entry is change.settled.current:
                if known is not None:
                    gone.append(_version_key(entry))
            elif known is None:
                new.append(entry)
            elif known != version_state(entry):
                later.append(_version_update(entry))
    if gone:
        cursor.execute(_DELETE_VERSIONS, [list(column) for column in zip(*gone, strict=True)])
    copy_rows(cursor, tables.case_version, VERSION_COLUMNS, map(version_row, new))
    update(cursor, tables.case_version, _VERSION_KEY, later)


def _version_key(entry: Entry[CaseEvent]) -> Row:
    return entry.event.case_no, entry.event.service_no, entry.event_id, entry.digest


def _version_update(entry: Entry[CaseEvent] | Entry[DecisionEvent]) -> dict[str, Any]:
    """What a copy can change; it says the same."""
    event = entry.event
    return {
        "case_no": event.case_no,
        "service_no": event.service_no,
        "event_id": entry.event_id,
        "digest": entry.digest,
        "received_at": entry.received_at,
        **asdict(entry.place),
        "flags": entry.flags,
        "sender": entry.sender,
    }


def _decisions(cursor: Cursor, dossiers: Iterable[Change]) -> None:
    new, later = [], []
    for change in dossiers:
        for entry in change.dossier.decisions:
            known = change.decided.get(version_id(entry))
            if known is None:
                new.append(_decision(entry))
            elif known != version_state(entry):
                later.append(_version_update(entry))
    insert(cursor, tables.decision, new)
    update(cursor, tables.decision, _VERSION_KEY, later)


def _decision(entry: Entry[DecisionEvent]) -> dict[str, Any]:
    event = entry.event
    words = {"dept_code": event.dept_code, "decided_by": event.decided_by, "why": event.why}
    return _version_update(entry) | words


def _reviews(cursor: Cursor, dossiers: Iterable[Change]) -> None:
    new, later = [], []
    for change in dossiers:
        for entry in change.dossier.reviews:
            known = change.stored.get(review_id(entry)) if change.stored else None
            if known is None:
                new.append((entry, change.settled.counts(entry)))
            elif known != (state := review_state(entry, change.settled)):
                later.append(_review_update(entry, effective=state.effective))
    copy_rows(
        cursor, tables.review, REVIEW_COLUMNS, (review_row(entry, effective=counts) for entry, counts in new)
    )
    update(cursor, tables.review, _REVIEW_KEY, later)


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
        **asdict(entry.place),
        "flags": entry.flags,
        "sender": entry.sender,
    }


def write_tickets(cursor: Cursor, dossiers: Iterable[Change]) -> None:
    """Tickets that these changes open, and those whose department or date they change. Blocks. Raises psycopg2 errors."""
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


def _reroutes(cursor: Cursor, keys: list[Key]) -> None:
    """Note the services whose tickets are left to the sweep, from the first ticket on."""
    if keys:
        cursor.execute(
            "insert into reroute (case_no, service_no) select * from unnest(%s::text[], %s::int[])"
            " on conflict (case_no, service_no) do update set after = null, created_at = excluded.created_at",
            [[key.case_no for key in keys], [key.service_no for key in keys]],
        )


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
