"""A step of the plan: something that somebody sends, by which way, at which simulated moment."""

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from schemas.events import CaseEvent, ReviewEvent


class Way(StrEnum):
    """How an event comes in."""

    SINGLE = "single"  # a system signs it
    BATCH = "batch"  # a system signs it with its neighbours
    CHAIN = "chain"  # a terminal counts it, and it names the one before
    TOKEN = "token"  # noqa: S105  a citizen's client, with a token
    FORM = "form"  # a citizen's browser, on the page behind a code


class Trouble(StrEnum):
    """What is odd about a step."""

    NONE = ""
    AGAIN = "sent twice"
    CORRECTED = "keyed in again"
    CONTESTED = "reviewed twice"
    LATE = "late department"
    OFFLINE = "terminal offline"
    REINSTALLED = "terminal installed anew"
    MISTYPED = "case number mistyped"


class Step(NamedTuple):
    """`sender` is a name of `senders`, empty for a citizen. A step AGAIN sends the event of an earlier one once more."""

    at: datetime
    way: Way
    event: CaseEvent | ReviewEvent
    sender: str = ""
    trouble: Trouble = Trouble.NONE

    @property
    def occurred(self) -> datetime:
        """When it was served or submitted."""
        return self.event.served_at if isinstance(self.event, CaseEvent) else self.event.submitted_at
