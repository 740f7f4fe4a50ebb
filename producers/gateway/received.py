"""Whether a review was received, and how far it has come: by the spool, while it has it, and by the ledger."""

import logging
from datetime import datetime
from typing import Literal

import msgspec
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from pipeline.ledger.engine import engine
from pipeline.ledger.tables import review
from pipeline.settings import Settings
from producers.gateway.answers import Seen
from producers.spool.record import Record
from producers.spool.spool import Spool
from schemas.topics import Stream

QUERY_LIMIT = "2s"

log = logging.getLogger(__name__)


class _Case(msgspec.Struct):
    case_no: str = ""


class Received:
    """Looks reviews up. Connects at the first look that needs the ledger."""

    def __init__(self, spool: Spool, settings: Settings) -> None:
        self._spool = spool
        self._ledger = engine(
            settings.database, "received", default_transaction_read_only="on", statement_timeout=QUERY_LIMIT
        )

    def find(self, event_id: str) -> Seen | None:
        """Where it is; None if nobody has it who can be asked. Blocks for some seconds at most.

        The spool knows what it sent within `keep_sent_hours`, and under which case. The ledger's reviews lie in the order
        of their cases: of older ones it finds only those without a case.
        """
        known, record = self._spool.find(event_id), self._spool.record(event_id)
        if record and record.stream != Stream.REVIEW:
            return None
        if known and known.state != "sent":
            state: Literal["waiting", "set-aside"] = "waiting" if known.state == "waiting" else "set-aside"
            return Seen(event_id, state, known.received_at)
        received_at = self._in_ledger(event_id, _case_no(record))
        if received_at:
            return Seen(event_id, "in-ledger", received_at)
        return Seen(event_id, "stored-in-log", known.received_at) if known else None

    def _in_ledger(self, event_id: str, case_no: str) -> datetime | None:
        """Since when the ledger has it; None also when the ledger is away."""
        asked = select(func.min(review.c.received_at)).where(
            review.c.case_no == case_no, review.c.event_id == event_id
        )
        try:
            with self._ledger.connect() as connection:
                received_at: datetime | None = connection.scalar(asked)
        except SQLAlchemyError as error:
            log.warning("away", extra={"task": "received", "error": type(error).__name__})
            return None
        return received_at


def _case_no(record: Record | None) -> str:
    return msgspec.json.decode(record.value, type=_Case).case_no if record else ""
