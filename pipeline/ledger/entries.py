"""Rows of the ledger as entries: what was folded into `service`, `case_version`, `review` and `decision` comes back whole."""

from typing import Any

import msgspec

from pipeline.rules.records import Entry, Place
from schemas.codes import Channel, HandlingMode, Status
from schemas.events import CaseEvent, DecisionEvent, ReviewEvent

Row = tuple[Any, ...]
_PLACE = 'topic, partition, "offset", flags'
CASE = f"""case_no, service_no, event_id, digest, version_received_at, {_PLACE},
    status, item_code, dept_code, handling_mode, served_at,
    item_name, area_code, hall_code, window_code, staff_id, accepted_at, source, sender"""
"""Columns of `service` for `case`."""
VERSION = f"case_no, service_no, event_id, digest, received_at, {_PLACE}, event, sender"
"""Columns of `case_version` for `version`."""
REVIEW = f"""case_no, service_no, event_id, digest, received_at, {_PLACE},
    satisfaction, channel, submitted_at, review_no, reason_codes, comment,
    hall_code, window_code, staff_id, dept_code, item_code, device_id, device_seq, device_prev,
    real_name, reviewer, reviewer_mark, sent_digest, sender"""
"""Columns of `review` for `review`."""
DECISION = f"case_no, service_no, event_id, digest, received_at, {_PLACE}, dept_code, decided_by, why, sender"
"""Columns of `decision` for `decision`."""
_decode_case = msgspec.json.Decoder(CaseEvent).decode


def case(row: Row) -> Entry[CaseEvent]:
    """The version whose content holds. The service must be no placeholder."""
    (
        case_no, service_no, event_id, digest, received_at, topic, partition, offset, flags,
        status, item_code, dept_code, handling_mode, served_at,
        item_name, area_code, hall_code, window_code, staff_id, accepted_at, source, sender,
    ) = row  # fmt: skip
    event = CaseEvent(
        case_no, Status(status), item_code, dept_code, HandlingMode(handling_mode), served_at, event_id, service_no,
        item_name, area_code, hall_code, window_code, staff_id, accepted_at, None, source,
    )  # fmt: skip
    place = Place(topic, partition, offset)
    return Entry(event, event_id, hex_digits(digest), received_at, place, tuple(flags), None, sender)


def version(row: Row) -> Entry[CaseEvent]:
    """A version that another one has replaced."""
    _, _, event_id, digest, received_at, topic, partition, offset, flags, event, sender = row
    said = _decode_case(event if isinstance(event, str) else msgspec.json.encode(event))
    place = Place(topic, partition, offset)
    return Entry(said, event_id, hex_digits(digest), received_at, place, tuple(flags), None, sender)


def review(row: Row) -> Entry[ReviewEvent]:
    """A review."""
    (
        case_no, service_no, event_id, digest, received_at, topic, partition, offset, flags,
        satisfaction, channel, submitted_at, review_no, reason_codes, comment,
        hall_code, window_code, staff_id, dept_code, item_code, device_id, device_seq, device_prev,
        real_name, reviewer, reviewer_mark, sent_digest, sender,
    ) = row  # fmt: skip
    event = ReviewEvent(
        satisfaction, Channel(channel), submitted_at, event_id, case_no or None, service_no, review_no,
        reason_codes, comment, None, hall_code, window_code, staff_id, dept_code, item_code,
        device_id, device_seq, device_prev, real_name, reviewer, reviewer_mark,
    )  # fmt: skip
    place = Place(topic, partition, offset)
    return Entry(event, event_id, hex_digits(digest), received_at, place, tuple(flags), sent_digest, sender)


def decision(row: Row) -> Entry[DecisionEvent]:
    """What a person decided."""
    (
        case_no, service_no, event_id, digest, received_at, topic, partition, offset, flags,
        dept_code, decided_by, why, sender,
    ) = row  # fmt: skip
    event = DecisionEvent(case_no, dept_code, decided_by, why, event_id, service_no)
    place = Place(topic, partition, offset)
    return Entry(event, event_id, hex_digits(digest), received_at, place, tuple(flags), None, sender)


def hex_digits(digest: Any) -> str:
    """A uuid column as the 32 digits of a digest."""
    return str(digest).replace("-", "")
