"""Publishing: an event of ours becomes a record of the log, acknowledged by all replicas, or an error that names it."""

import time
from collections.abc import Iterable
from datetime import datetime
from types import TracebackType
from typing import Any, Self

import msgspec
from kafka.errors import KafkaError, MessageSizeTooLargeError

from pipeline import log
from pipeline.clock import utc_now
from pipeline.edge import Edge
from pipeline.sealing import Sealer
from pipeline.settings import Kafka, Settings
from producers.errors import NotPublishedError, TooLargeError
from schemas.cloudevents import cloud_headers, key_of
from schemas.events import CaseEvent, Event, ReviewEvent
from schemas.topics import Stream

IN_FLIGHT = 10_000
"""Records on their way at most; then `send` waits. About 5 MB."""
ACK_SECONDS = 60.0

_encode = msgspec.json.Encoder().encode


class Sent:
    """A record on its way."""

    def __init__(self, future: Any) -> None:
        self._future = future

    def place(self) -> tuple[str, int, int] | None:
        """Topic, partition and offset, once it is acknowledged; None before, and if it failed. Does not block."""
        if not self._future.succeeded():
            return None
        at = self._future.value
        return at.topic, at.partition, at.offset


class Publisher:
    """Publishes events to the log, each with its `source` (`/terminal`, `/qr`, `/import/<name>`), signed as received from it.
    Connects at once (blocks).

    A context manager: leaving it waits for every acknowledgement. Not for use from several threads.
    """

    def __init__(self, kafka: Kafka, edge: Edge) -> None:
        self._edge = edge
        self._topics = {stream: kafka.topic(stream) for stream in Stream}
        self._producer = log.producer(kafka)
        self._in_flight: list[tuple[str, Any]] = []
        self.acknowledged = 0

    def send(self, event: Event, source: str) -> None:
        """Send one. Blocks while too many are on their way. Raises NotPublishedError for it or for one before it."""
        stream = _stream(event)
        event_id, key = str(event.event_id), key_of(event)
        value, received_at = _encode(event), event.received_at or utc_now()
        at = event.received_at or _occurred(event) or received_at
        headers = cloud_headers(event_id, stream, source, at.isoformat(), key)
        signature = self.signature(stream, event_id, received_at, source, value)
        self.send_raw(stream, key.encode(), value, [*headers.items(), signature], event_id)

    def signature(
        self, stream: Stream, event_id: str, received_at: datetime, source: str, value: bytes
    ) -> tuple[str, bytes]:
        """The header that says these bytes were received then, from there."""
        return self._edge.sign(self._topics[stream], event_id, received_at, source, value)

    def send_raw(
        self,
        stream: Stream,
        key: bytes | None,
        value: bytes,
        headers: Iterable[tuple[str, bytes]],
        name: str = "",
    ) -> Sent:
        """Send bytes as they are; `name` is what an error calls the record. Raises TooLargeError for this one alone."""
        if len(self._in_flight) >= IN_FLIGHT:
            self.flush()
        try:
            sent = self._producer.send(self._topics[stream], key=key, value=value, headers=list(headers))
        except MessageSizeTooLargeError:
            raise TooLargeError(f"{name} is larger than a record of ours may be: it cannot be sent") from None
        except KafkaError as error:
            raise _not_published(name, error) from error
        self._in_flight.append((name, sent))
        return Sent(sent)

    def flush(self) -> None:
        """Wait until everything is acknowledged. Blocks; raises NotPublishedError naming the first that was not."""
        deadline = time.monotonic() + ACK_SECONDS
        for name, sent in self._in_flight:
            try:
                sent.get(max(0.1, deadline - time.monotonic()))
            except KafkaError as error:
                self._in_flight.clear()
                raise _not_published(name, error) from error
            self.acknowledged += 1
        self._in_flight.clear()

    def give_up(self) -> None:
        """Close without the acknowledgements that are missing. Blocks, for seconds at most."""
        log.abandon(self._producer)

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for the acknowledgements, unless an error is already on its way."""
        if error is not None:
            self.give_up()
            return
        try:
            self.flush()
        finally:
            self._producer.close()


def publisher(settings: Settings) -> Publisher:
    """A publisher by these settings. Connects (blocks). NotConfiguredError without a sealing key or a log."""
    return Publisher(settings.kafka, Sealer(settings.seal).edge)


def _stream(event: Event) -> Stream:
    if isinstance(event, CaseEvent):
        return Stream.CASE
    return Stream.REVIEW if isinstance(event, ReviewEvent) else Stream.DECISION


def _occurred(event: Event) -> datetime | None:
    if isinstance(event, CaseEvent):
        return event.served_at
    return event.submitted_at if isinstance(event, ReviewEvent) else None


def _not_published(name: str, error: KafkaError) -> NotPublishedError:
    return NotPublishedError(
        f"Kafka did not acknowledge the event {name} ({type(error).__name__}): is it up? see `hcp status`; "
        "sending the same again is safe"
    )
