"""The relay: sends the outbox to the log and marks it after the acknowledgement. One at a time, whoever has the lock.

A crash between send and mark sends twice; event ids are deterministic, consumers drop the repeat.
"""

import logging
from threading import Event

from kafka import KafkaProducer
from sqlalchemy import Engine, func, select, text, update

from pipeline import log as kafka_log
from pipeline.ledger.outbox import headers_from
from pipeline.ledger.tables import outbox
from pipeline.settings import Kafka
from schemas.topics import Stream

log = logging.getLogger(__name__)

_LOCK = 0x6F7574
BATCH = 500
POLL_SECONDS = 0.25
PAUSE_SECONDS = 2.0
ACK_SECONDS = 30


class Relay:
    """Runs in a thread of its own until `stop` is set."""

    def __init__(self, ledger: Engine, kafka: Kafka) -> None:
        self._ledger = ledger
        self._kafka = kafka
        self._producer: KafkaProducer | None = None
        self.last_error = ""

    def run(self, stop: Event) -> None:
        """Send until told to stop. Blocks. An error is remembered, and everything unsent tried again."""
        while not stop.is_set():
            try:
                sent = self.send_some()
                self.last_error = ""
            except Exception as error:  # noqa: BLE001  whatever it is, the rows stay unsent and are tried again
                self.last_error = f"{type(error).__name__}: {error}".splitlines()[0]
                log.warning("relay_failed", extra={"error": self.last_error})
                self.close()
                stop.wait(PAUSE_SECONDS)
                continue
            if not sent:
                stop.wait(POLL_SECONDS)
        self.close()

    def send_some(self) -> int:
        """Send up to a batch of unsent rows, in the order of each ticket's steps; returns how many. Blocks.

        Rows of one ticket are written under the lock of its service, so among them the order of ids is the order of steps.
        """
        with self._ledger.begin() as connection:
            if not connection.scalar(select(func.pg_try_advisory_xact_lock(_LOCK))):
                return 0
            rows = connection.execute(
                select(outbox).where(outbox.c.sent_at.is_(None)).order_by(outbox.c.id).limit(BATCH)
            ).all()
            if not rows:
                return 0
            if self._producer is None:
                self._producer = kafka_log.producer(self._kafka)
            futures = [
                self._producer.send(
                    self._kafka.topic(Stream(row.stream)),
                    key=row.key,
                    value=row.value,
                    headers=headers_from(row.headers),
                )
                for row in rows
            ]
            for future in futures:
                future.get(ACK_SECONDS)
            connection.execute(
                update(outbox).where(outbox.c.id.in_([row.id for row in rows])).values(sent_at=text("now()"))
            )
            return len(rows)

    def close(self) -> None:
        """Close the producer; rows that it has not sent stay unsent. Blocks, for seconds at most."""
        if self._producer is not None:
            kafka_log.abandon(self._producer)
            self._producer = None
