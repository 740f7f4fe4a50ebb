"""What was said at a terminal → a review of the contract, without its place in the chain."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from producers.terminal.enrolment import Enrolment
from schemas.events import Reason, ReviewEvent
from schemas.identifiers import uuid7
from schemas.reading import Invalid, Received, read

SAID = frozenset(
    {
        "event_id",
        "case_no",
        "service_no",
        "satisfaction",
        "reason_codes",
        "comment",
        "submitted_at",
        "dept_code",
        "hall_code",
        "item_code",
        "staff_id",
    }
)
"""What a terminal's program may say. Who it is and where it stands is the enrolment's; nobody is asked for their name here."""


def review_of(enrolment: Enrolment, said: Mapping[str, Any], now: datetime) -> Received[ReviewEvent]:
    """The review, checked against the contract. `now`: an aware time, for what has none. Raises Invalid."""
    if unknown := sorted(set(said) - SAID):
        raise Invalid(Reason.UNKNOWN_VALUE, f"{unknown[0][:40]} is nothing that a terminal says")
    whole = {"event_id": str(uuid7()), "submitted_at": now.isoformat()} | dict(said)
    whole |= {
        "channel": enrolment.channel,
        "window_code": enrolment.window_code,
        "device_id": enrolment.device_id,
    }
    return read(ReviewEvent, msgspec.json.encode(whole), now)
