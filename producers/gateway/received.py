"""Whether a review was received, and how far it has come: by the spool, while it has it, and by the ledger."""

import asyncio
from functools import partial
from typing import Literal

from pipeline.ledger.receipts import received_at
from producers.gateway.answers import Seen
from producers.gateway.ledger import Ledger, LedgerAway
from producers.spool.spool import Spool
from schemas.topics import Stream


class Received:
    """Looks reviews up."""

    def __init__(self, spool: Spool, ledger: Ledger) -> None:
        self._spool, self._ledger = spool, ledger

    async def find(self, event_id: str) -> Seen | None:
        """Where it is; None if nobody has it. Takes two seconds at most.

        The spool knows what it sent within `keep_sent_hours`, the ledger everything that was folded. Raises LedgerAway if
        only the ledger could know.
        """
        seen, is_final = await asyncio.to_thread(self._in_spool, event_id)
        if is_final:
            return seen
        try:
            since = await self._ledger.ask(partial(received_at, event_id=event_id))
        except LedgerAway:
            if seen:
                return seen
            raise
        return Seen(event_id, "in-ledger", since) if since else seen

    def _in_spool(self, event_id: str) -> tuple[Seen | None, bool]:
        """What the spool says, and whether the ledger can say no more. Blocks on the disk."""
        known, record = self._spool.find(event_id), self._spool.record(event_id)
        if record and record.stream != Stream.REVIEW:
            return None, False  # told as any other id that is no review's
        if known and known.state != "sent":
            state: Literal["waiting", "set-aside"] = "waiting" if known.state == "waiting" else "set-aside"
            return Seen(event_id, state, known.received_at), True
        return (Seen(event_id, "stored-in-log", known.received_at) if known else None), False
