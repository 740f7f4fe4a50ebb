"""CloudEvents 1.0 in Kafka's binary mode: the headers of a record, and its key."""

from schemas.events import CE_TYPE_PREFIX, Event, ReviewEvent
from schemas.topics import Stream

SENT_DIGEST = "hcp_sent_digest"
"""SHA-256 (hex) of the JSON as a device sent it, set by the gateway: a link of the device's chain."""


def cloud_headers(event_id: str, stream: Stream, source: str, time: str, subject: str) -> dict[str, bytes]:
    """The headers of an event. `time` is RFC 3339."""
    fields = {
        "ce_specversion": "1.0",
        "ce_id": event_id,
        "ce_type": CE_TYPE_PREFIX + stream.value,
        "ce_source": source,
        "ce_time": time,
        "ce_subject": subject,
        "content-type": "application/json",
    }
    return {name: value.encode() for name, value in fields.items()}


def key_of(event: Event) -> str:
    """The record's key: `case_no`; without a case the least object that the sender knows, else the event's id."""
    if not isinstance(event, ReviewEvent):
        return event.case_no
    return event.case_no or event.window_code or event.hall_code or event.dept_code or str(event.event_id)
