"""Reviews of a foreign topic, published once more on `hcp.review.v1` with every identity sealed.

For senders that cannot come through the gateway: they write to a topic of the county's own, whose retention is short, and
no identity lies in clear in the log that is kept for a year.
"""

import time
from collections.abc import Callable
from threading import Event
from typing import Any, NamedTuple

import msgspec
from kafka import KafkaConsumer

from pipeline import log
from pipeline.ledger.decode import decode
from pipeline.ledger.portion import Portion, Record
from pipeline.rules.records import AnyEntry
from pipeline.sealing import Sealer
from pipeline.settings import Kafka, Settings
from producers.errors import InputError
from producers.publish import Publisher, publisher
from schemas.cloudevents import SENT_DIGEST, cloud_headers, key_of
from schemas.topics import Stream

POLL_MS = 500
"""How long a poll waits for a record; longer with none at the end of the topic."""
LOG_APPEND_TIME = 1
"""The type of a record's time that the broker gives; any other is what its sender said."""
Say = Callable[[str], None]


class Forwarded(NamedTuple):
    """How many records were published, and how many are no reviews and stay where they are."""

    published: int
    refused: int


def seal_forward(
    settings: Settings, topic: str, say: Say, stopping: Event, *, once: bool = False
) -> Forwarded:
    """Forward until `stopping` is set, or with `once` until the end of the topic. Blocks.

    What was acknowledged is committed to the consumer group `<group>-seal-forward`. A crash between the two publishes some
    records twice: same event id and same bytes, so the fold takes the second for what it is. `say` is told of a record
    that is no review: where it lies and why, never what it holds. Raises InputError, NotPublishedError, kafka errors.
    """
    if topic in {settings.kafka.topic(stream) for stream in Stream}:
        raise InputError(f"--from {topic}: this is a topic of the pipeline itself; name the senders' own")
    sealer = Sealer(settings.seal)
    consumer = _consumer(settings.kafka, topic, f"{settings.worker.group}-seal-forward")
    published = refused = 0
    try:
        with publisher(settings) as out:
            while not stopping.is_set():
                polled = [one for batch in consumer.poll(POLL_MS).values() for one in batch]
                for record in polled:
                    why = _forward(record, topic, sealer, out)
                    if why:
                        refused += 1
                        say(
                            f"{topic}/{record.partition}/{record.offset} is no review and was not forwarded: {why}"
                        )
                    published += not why
                out.flush()
                if polled:
                    consumer.commit()
                elif once and _at_the_end(consumer):
                    break
    finally:
        consumer.close(autocommit=False)
    return Forwarded(published, refused)


def _consumer(kafka: Kafka, topic: str, group: str) -> Any:
    return KafkaConsumer(
        topic,
        **log.client_options(kafka),
        group_id=group,
        bootstrap_timeout_ms=int(log.CONNECT_SECONDS * 1000),
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        isolation_level="read_committed",
    )


def _at_the_end(consumer: Any) -> bool:
    assigned = consumer.assignment()
    ends = consumer.end_offsets(assigned)
    return bool(assigned) and all(consumer.position(tp) >= ends[tp] for tp in assigned)


def _forward(record: Any, topic: str, sealer: Sealer, out: Publisher) -> str:
    """Publish this record; or why not. What the sender wrote as its time names no month: then it is of the month in which it came."""
    timed = record.timestamp_type == LOG_APPEND_TIME
    at = record.timestamp if timed else time.time_ns() // 1_000_000
    came = Record(record.offset, at, record.key, tuple(record.headers), record.value)
    read = decode(
        Portion(Stream.REVIEW, topic, record.partition, record.offset, record.offset + 1, [came]), sealer
    )
    for dead in read.dead:
        return f"{dead.reason}: {dead.message}"
    for arrival in read.arrivals:
        _publish(arrival.entry, topic, out, timed=timed)
    return "" if read.arrivals else "it has no value"


def _publish(entry: AnyEntry, topic: str, out: Publisher, *, timed: bool) -> None:
    """As the gateway would: in the contract's fields alone. A foreign mark may be a phone number, the fold makes its own.

    `timed`: the broker wrote when it took the record. What the sender wrote itself is not signed: our own log's time counts.
    """
    event: Any = entry.event
    event.reviewer_mark = ""
    key, received_at, source = key_of(event), entry.received_at.isoformat(), f"/forward/{topic}"
    headers = cloud_headers(entry.event_id, Stream.REVIEW, source, received_at, key)
    if timed:
        headers["hcp_received_at"] = received_at.encode()
    if entry.sent_digest is not None:
        headers[SENT_DIGEST] = entry.sent_digest.encode()
    value = msgspec.json.encode(event)
    said = [*headers.items()]
    if timed:
        said.append(out.signature(Stream.REVIEW, entry.event_id, entry.received_at, source, value))
    out.send_raw(Stream.REVIEW, key.encode(), value, said, entry.event_id)
