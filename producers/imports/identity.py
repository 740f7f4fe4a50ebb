"""The reviewer's identity: sealed as soon as its row is read, before anything is stored or sent."""

from datetime import datetime

from pipeline.seal_keys import Seal
from pipeline.sealing import Sealer
from producers.errors import CannotImportError
from schemas.events import Reviewer, ReviewEvent


def sealer_of(seal: Seal) -> Sealer:
    """Raises CannotImportError if the settings hold no key."""
    try:
        return Sealer(seal)
    except ValueError as error:
        raise CannotImportError(f"{error}; without it no reviewer's identity is imported") from None


def seal(event: ReviewEvent, sealer: Sealer, received_at: datetime) -> None:
    """Replace the identity in clear by a sealed one, with the key of the month in which it came, and mark it. Changes the event."""
    reviewer = event.reviewer
    if isinstance(reviewer, Reviewer):
        event.reviewer = sealer.seal_reviewer(
            str(event.event_id), reviewer.name, reviewer.phone, reviewer.id_number, at=received_at
        )
        event.reviewer_mark = sealer.mark_of(reviewer)
