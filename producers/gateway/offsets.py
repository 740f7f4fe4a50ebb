"""Times as every reader of the log can take them: RFC 3339 has offsets to 23:59, PostgreSQL none of 16 hours or more."""

from datetime import UTC, timedelta

from schemas.events import CaseEvent, ReviewEvent

MOST = timedelta(hours=16)
_TIMES = {CaseEvent: ("served_at", "accepted_at"), ReviewEvent: ("submitted_at",)}


def ease(event: CaseEvent | ReviewEvent) -> None:
    """Put a time whose offset no place on earth has into UTC. The instant stays; `schemas.reading` has checked its year."""
    for name in _TIMES[type(event)]:
        at = getattr(event, name)
        if at is not None and abs(at.utcoffset()) >= MOST:
            setattr(event, name, at.astimezone(UTC))
