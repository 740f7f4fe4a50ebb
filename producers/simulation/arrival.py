"""What the simulation yields: an event, and when the edge receives it."""

from datetime import datetime
from typing import NamedTuple

from schemas.events import CaseEvent, ReviewEvent


class Arrival(NamedTuple):
    """`at` is the event's `received_at`; `source` its CloudEvents source."""

    at: datetime
    event: CaseEvent | ReviewEvent
    source: str
