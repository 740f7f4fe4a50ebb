"""One review, one case, and what becomes of them: as they stand in the description."""

from typing import Any

from schemas.events import CE_TYPE_PREFIX
from schemas.topics import Stream

REVIEW: dict[str, Any] = {
    "event_id": "019ab0c2-5d1e-7c3a-9f6e-2b1d4a7c8e90",
    "case_no": "610326-2026-000123",
    "satisfaction": 5,
    "channel": "terminal",
    "submitted_at": "2026-11-23T15:20:00+08:00",
    "reason_codes": ["501"],
    "comment": "办得很快",
}
CASE: dict[str, Any] = {
    "event_id": "019ab0c2-4b7f-7d21-8a35-6c0f1e2d3b4a",
    "case_no": "610326-2026-000123",
    "status": "completed",
    "item_code": "1161032600000001010000000000001",
    "dept_code": "116103260000000101",
    "handling_mode": "offline",
    "served_at": "2026-11-23T15:15:00+08:00",
}
CITIZEN: dict[str, Any] = {
    "event_id": "019ab0c2-6e2f-7b4c-8d17-3f5a6b7c8d9e",
    "satisfaction": 2,
    "submitted_at": "2026-11-23T15:25:00+08:00",
    "reason_codes": ["201"],
    "comment": "等了很久",
}
EVENTS = {"review": REVIEW, "case": CASE}


def _envelope(event: dict[str, Any], source: str, stream: Stream) -> dict[str, Any]:
    told = {"specversion": "1.0", "id": event["event_id"], "source": source, "type": CE_TYPE_PREFIX + stream}
    return told | {"datacontenttype": "application/json", "data": event}


ENVELOPES = {
    "review": _envelope(REVIEW, "/terminal/terminal-1", Stream.REVIEW),
    "case": _envelope(CASE, "/system/hr-system", Stream.CASE),
}
ACCEPTED: dict[str, Any] = {
    "event_id": REVIEW["event_id"],
    "received_at": "2026-11-23T07:20:01.284000Z",
    "seen_before": False,
}
_TAKEN = [
    {"status": 202, "event_id": event["event_id"], "received_at": ACCEPTED["received_at"]}
    for event in EVENTS.values()
]
ALL_TAKEN: dict[str, Any] = {"results": _TAKEN}
ANSWERS: dict[str, Any] = {
    "results": [
        *_TAKEN,
        {
            "status": 422,
            "problem": {
                "type": "urn:hcp:problem:invalid_event",
                "title": "The event breaks the contract",
                "status": 422,
                "detail": "satisfaction: expected `int` <= 5",
                "reason": "out_of_range",
                "field": "satisfaction",
            },
        },
    ]
}
SEEN: dict[str, Any] = {
    "event_id": CITIZEN["event_id"],
    "state": "in-ledger",
    "received_at": "2026-11-23T07:25:01.284000Z",
}
