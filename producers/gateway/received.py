"""Whether a review was received, and how far it has come: by the spool, while it has it, and by the ledger."""

import logging
from datetime import datetime
from typing import Literal

from sqlalchemy.exc import SQLAlchemyError

from pipeline.ledger.engine import engine
from pipeline.ledger.receipts import received_at
from pipeline.settings import Settings
from producers.gateway.answers import Seen
from producers.spool.spool import Spool
from schemas.topics import Stream

QUERY_LIMIT = "2s"

log = logging.getLogger(__name__)


class Received:
    """Looks reviews up. Connects at the first look that needs the ledger."""

    def __init__(self, spool: Spool, settings: Settings) -> None:
        self._spool = spool
        self._ledger = engine(
            settings.database, "received", default_transaction_read_only="on", statement_timeout=QUERY_LIMIT
        )

    def find(self, event_id: str) -> Seen | None:
        """Where it is; None if nobody has it who can be asked. Blocks for some seconds at most.

        The spool knows what it sent within `keep_sent_hours`, the ledger everything that was folded.
        """
        known, record = self._spool.find(event_id), self._spool.record(event_id)
        if record and record.stream != Stream.REVIEW:
            return None
        if known and known.state != "sent":
            state: Literal["waiting", "set-aside"] = "waiting" if known.state == "waiting" else "set-aside"
            return Seen(event_id, state, known.received_at)
        if since := self._in_ledger(event_id):
            return Seen(event_id, "in-ledger", since)
        return Seen(event_id, "stored-in-log", known.received_at) if known else None

    def _in_ledger(self, event_id: str) -> datetime | None:
        """Since when the ledger has it; None also when the ledger is away."""
        try:
            with self._ledger.connect() as connection:
                return received_at(connection, event_id)
        except SQLAlchemyError as error:
            log.warning("away", extra={"task": "received", "error": type(error).__name__})
            return None
