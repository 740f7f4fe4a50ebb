"""The one-day window (`domain.md`, 3): what a pair is, and until when a half may wait."""

from datetime import datetime, timedelta
from enum import StrEnum


class Outcome(StrEnum):
    """What became of a pair. Follows from the records alone, never from the time asked."""

    MATCHED = "matched"
    MATCHED_LATE = "matched_late"


def outcome(
    served_at: datetime,
    service_received_at: datetime,
    submitted_at: datetime,
    review_received_at: datetime,
    window: timedelta,
) -> Outcome:
    """`matched` when both were received by the later of service and review, plus the window."""
    limit = max(served_at, submitted_at) + window
    if service_received_at <= limit and review_received_at <= limit:
        return Outcome.MATCHED
    return Outcome.MATCHED_LATE


def is_open(since: datetime, asked_at: datetime, window: timedelta) -> bool:
    """Whether a half that waits since then may still find its partner in time: pending, or unmatched.

    After that a service is `unreviewed` and a review an `orphan`, until the partner comes all the same.
    """
    return asked_at < since + window
