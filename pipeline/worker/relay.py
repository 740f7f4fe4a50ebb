"""The relay: sends the outbox's rows of one stream to the log and marks them after the acknowledgement.

One at a time for each stream, whoever has its lock; streams do not wait for each other. A crash between send and mark sends
twice; event ids are deterministic, consumers drop the repeat.
"""

import logging
from threading import Event

from kafka import KafkaProducer
from kafka.errors import KafkaTimeoutError
from sqlalchemy import Engine

from pipeline import log as kafka_log
from pipeline.ledger import outbox_queue
from pipeline.settings import Kafka
from pipeline.worker.delivery import Delivery
from schemas.topics import Stream

log = logging.getLogger(__name__)

TOLD = (Stream.TICKET, Stream.DEAD_LETTER)
"""The streams that the outbox feeds."""
POLL_SECONDS = 0.25
PAUSE_SECONDS = 2.0
PRODUCER = {
    "enable_idempotence": False,
    "max_in_flight_requests_per_connection": 1,
    "max_block_ms": 1_000,
    "bootstrap_timeout_ms": 5_000,
}
"""Not idempotent: once the broker has refused one record, an idempotent producer of kafka-python fails all others with the
same error, for ever. One request at a time keeps the order; a repeat is dropped by the consumers. The other two: how long
an unknown topic and a broker that is away are waited for.
"""


class UnknownTopicError(Exception):
    """Kafka has not named the topic's partitions; the message says what to do."""


class Relay:
    """Runs in a thread of its own until `stop` is set."""

    def __init__(self, ledger: Engine, kafka: Kafka, stream: Stream) -> None:
        self._ledger = ledger
        self._kafka = kafka
        self._stream = stream
        self._topic = kafka.topic(stream)
        self._producer: KafkaProducer | None = None
        self.last_error = ""

    def run(self, stop: Event) -> None:
        """Send until told to stop. Blocks. An error is remembered, and everything unsent tried again."""
        while not stop.is_set():
            try:
                done = self.send_some()
                self.last_error = ""
            except Exception as error:  # noqa: BLE001  whatever it is, the rows stay unsent and are tried again
                self.last_error = f"{self._topic}: {str(error) or type(error).__name__}".splitlines()[0]
                log.warning("relay_failed", extra={"error": self.last_error})
                self.close()
                stop.wait(PAUSE_SECONDS)
                continue
            if not done:
                stop.wait(POLL_SECONDS)
        self.close()

    def send_some(self) -> int:
        """Send up to a batch of unsent rows; returns how many were sent or set aside. Blocks.

        Raises what kept rows from being sent: they stay unsent, those that were acknowledged are marked.
        """
        with self._ledger.connect() as connection:
            if not outbox_queue.any_unsent(connection, self._stream):
                return 0
        producer = self._connected()  # before the transaction: a topic that is gone must not keep it open
        with self._ledger.begin() as connection:
            if not outbox_queue.claim(connection, self._stream):
                return 0
            delivery = Delivery(producer, self._topic, may_leave_out=self._stream is Stream.DEAD_LETTER)
            delivery.run(outbox_queue.next_rows(connection, self._stream))
            outbox_queue.mark(connection, delivery.sent, delivery.refused)
        if delivery.refused:
            log.error("outbox_rows_set_aside", extra={"stream": self._stream, "rows": delivery.refused})
        if delivery.error is not None:
            raise delivery.error
        return len(delivery.sent) + len(delivery.refused)

    def _connected(self) -> KafkaProducer:
        """A producer that knows the topic. Blocks, for seconds at most. Raises kafka errors and UnknownTopicError."""
        if self._producer is None:
            self._producer = kafka_log.producer(self._kafka, **PRODUCER)
        try:
            self._producer.partitions_for(self._topic)
        except KafkaTimeoutError as error:
            raise UnknownTopicError(
                "Kafka does not know this topic, or does not answer; if it was deleted, `hcp topics` creates it"
            ) from error
        return self._producer

    def close(self) -> None:
        """Close the producer; rows that it has not sent stay unsent. Blocks, for seconds at most."""
        if self._producer is not None:
            kafka_log.abandon(self._producer)
            self._producer = None
