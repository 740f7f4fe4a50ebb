"""The rows of the two large tables, as tuples in the order of their columns: most of what is written."""

from datetime import UTC

import msgspec
from msgspec.structs import replace

from pipeline.ledger import tables
from pipeline.ledger.copying import Row, array
from pipeline.rules.fold import Change
from pipeline.rules.records import Entry
from schemas.events import CaseEvent, ReviewEvent

_encode = msgspec.json.Encoder().encode
SERVICE_COLUMNS = [column.name for column in tables.service.columns]
VERSION_COLUMNS = [column.name for column in tables.case_version.columns]
REVIEW_COLUMNS = [column.name for column in tables.review.columns]
_NOTHING_OF_A_CASE = (*[None] * 3, *[""] * 9, *[None] * 7, "{}")
"""From `event_id` to `flags`, of a placeholder."""


def service_row(change: Change) -> Row:
    """The row of a dossier."""
    dossier, settled = change.dossier, change.settled
    current = settled.current
    return (
        dossier.key.case_no, dossier.key.service_no, current is None,
        *(_NOTHING_OF_A_CASE if current is None else _case_part(current, settled.received_at)),
        dossier.versions, dossier.review_records, settled.disputed, settled.outcome, settled.open_since,
        None if change.crowd is None else _encode(change.crowd).decode(),
        "" if current is None else current.sender,
    )  # fmt: skip


def _case_part(current: Entry[CaseEvent], received_at: object) -> Row:
    e, place = current.event, current.place
    return (
        current.event_id, current.digest, e.status, e.item_code, e.item_name, e.dept_code, e.area_code,
        e.hall_code, e.window_code, e.staff_id, e.handling_mode, e.source, e.accepted_at, e.served_at,
        current.received_at, received_at, place.topic, place.partition, place.offset, array(current.flags),
    )  # fmt: skip


def version_row(entry: Entry[CaseEvent]) -> Row:
    """The row of a version that is not the current one."""
    e, place = entry.event, entry.place
    return (
        e.case_no, e.service_no, entry.event_id, entry.digest, entry.received_at,
        place.topic, place.partition, place.offset, array(entry.flags), _encode(_as_kept(e)).decode(),
        entry.sender, e.dept_code,
    )  # fmt: skip


def _as_kept(event: CaseEvent) -> CaseEvent:
    """What a row of `service` would keep of it: a version is the same, whether it was the current one for a while or not."""
    accepted_at = event.accepted_at and event.accepted_at.astimezone(UTC)
    return replace(
        event,
        served_at=event.served_at.astimezone(UTC),
        accepted_at=accepted_at,
        received_at=None,
        promised_at=None,
        failed_rules=[],
    )


def review_row(entry: Entry[ReviewEvent], *, effective: bool) -> Row:
    """The row of a review."""
    e, place = entry.event, entry.place
    return (
        e.case_no or "", e.service_no, e.review_no, entry.event_id, entry.digest, effective, e.satisfaction, e.channel,
        array(tuple(e.reason_codes)), e.comment, e.submitted_at, entry.received_at, e.dept_code, e.item_code, e.hall_code,
        e.window_code, e.staff_id, e.device_id, e.device_seq, e.device_prev, e.real_name, e.reviewer or None,
        e.reviewer_mark, place.topic, place.partition, place.offset, array(entry.flags), entry.sent_digest,
        entry.sender,
    )  # fmt: skip
