"""The log: Apache Kafka seen through kafka-python. Topics, their ends, and how clients connect."""

import gc
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import NewTopic
from kafka.errors import KafkaError, TopicAlreadyExistsError

from pipeline.settings import Kafka, NotConfiguredError
from schemas.topics import INPUTS, Stream

ONE_PARTITION = frozenset({Stream.DEAD_LETTER})
ABANDON_SECONDS = 5


class Watermark(NamedTuple):
    """Where a partition's log begins and ends: offsets [`start`, `end`); `topic_id` changes when a topic is made anew."""

    topic: str
    partition: int
    topic_id: str
    start: int
    end: int


def client_options(kafka: Kafka) -> dict[str, Any]:
    """What every kafka-python client of ours is told about servers and security. Raises NotConfiguredError."""
    if not kafka.bootstrap_servers:
        raise NotConfiguredError(
            "no Kafka: set HCP_KAFKA__BOOTSTRAP_SERVERS, or run this in the folder where `hcp up` has been started"
        )
    options: dict[str, Any] = {
        "bootstrap_servers": kafka.bootstrap_servers.split(","),
        "security_protocol": kafka.security_protocol,
    }
    if kafka.security_protocol.startswith("SASL"):
        options |= {
            "sasl_mechanism": kafka.sasl_mechanism,
            "sasl_plain_username": kafka.sasl_username,
            "sasl_plain_password": kafka.sasl_password.get_secret_value(),
        }
    if kafka.ssl_cafile:
        options["ssl_cafile"] = str(kafka.ssl_cafile)
    return options


def producer(kafka: Kafka, **options: Any) -> KafkaProducer:
    """A producer as the design demands: acknowledged by all, idempotent, lz4, murmur2. Connects (blocks; raises KafkaError).

    `options`: settings of KafkaProducer that replace these.
    """
    usual = {
        "acks": "all",
        "enable_idempotence": True,
        "compression_type": "lz4",
        "linger_ms": 5,
        "batch_size": 131_072,
        "max_request_size": 1_048_576,
    }
    try:
        return KafkaProducer(**client_options(kafka), **usual | options)
    except KafkaError as error:
        failed = error.with_traceback(None)
    gc.collect()  # closes the six descriptors that kafka-python leaves open when it cannot connect
    raise failed


def abandon(producer: KafkaProducer) -> None:
    """Close a producer with which something went wrong; what it has not sent is given up. Blocks, for seconds at most.

    Its own `close` would wait for what cannot be sent, raise, and leave its thread trying.
    """
    producer._sender.force_close()  # noqa: SLF001  there is no public way
    with suppress(KafkaError):
        producer.close(ABANDON_SECONDS)


@contextmanager
def admin(kafka: Kafka) -> Iterator[KafkaAdminClient]:
    """An admin client, closed at the end. Connects (blocks)."""
    client = KafkaAdminClient(**client_options(kafka))
    try:
        yield client
    finally:
        client.close()


def declare_topics(kafka: Kafka) -> list[str]:
    """Create those of the four topics that are missing; returns their names. Blocks.

    LogAppendTime: a backfill carries times of last year, and retention by the sender's time would delete it as it arrives.
    """
    with admin(kafka) as client:
        there = set(client.list_topics())
        missing = [stream for stream in Stream if kafka.topic(stream) not in there]
        created = []
        for stream in missing:
            try:
                client.create_topics([_new_topic(kafka, stream)])
            except TopicAlreadyExistsError:
                continue  # another of us was faster
            created.append(kafka.topic(stream))
        return created


def _new_topic(kafka: Kafka, stream: Stream) -> NewTopic:
    return NewTopic(
        kafka.topic(stream),
        num_partitions=1 if stream in ONE_PARTITION else kafka.partitions,
        replication_factor=kafka.replication,
        topic_configs={
            "message.timestamp.type": "LogAppendTime",
            "retention.ms": str(kafka.retention_ms),
            "min.insync.replicas": str(kafka.min_insync_replicas),
        },
    )


def older_than(
    kafka: Kafka, positions: Mapping[tuple[str, int], int], age: timedelta
) -> set[tuple[str, int]]:
    """Those partitions whose record at this position, or one behind it, the log took longer ago than `age`. Blocks.

    No record is read for it: one of them may be what nobody can read.
    """
    since = round((datetime.now(UTC) - age).timestamp() * 1000)
    consumer = KafkaConsumer(**client_options(kafka), enable_auto_commit=False)
    try:
        younger = consumer.offsets_for_times({TopicPartition(*at): since for at in positions})
    finally:
        consumer.close()
    return {
        (tp.topic, tp.partition) for tp, found in younger.items() if not found or found.offset > positions[tp]
    }


def watermarks(kafka: Kafka, streams: Iterable[Stream] = INPUTS) -> list[Watermark]:
    """Begin, end and topic id of each partition of these topics; topics that do not exist are left out. Blocks.

    The end is the last stable offset: records of open transactions do not exist yet.
    """
    names = [kafka.topic(stream) for stream in streams]
    with admin(kafka) as client:
        described = [topic for topic in client.describe_topics(names) if not topic["error_code"]]
    ids = {
        TopicPartition(topic["name"], part["partition_index"]): str(topic["topic_id"])
        for topic in described
        for part in topic["partitions"]
    }
    consumer = KafkaConsumer(
        **client_options(kafka), isolation_level="read_committed", enable_auto_commit=False
    )
    try:
        starts, ends = consumer.beginning_offsets(list(ids)), consumer.end_offsets(list(ids))
    finally:
        consumer.close()
    return [
        Watermark(tp.topic, tp.partition, topic_id, starts[tp], ends[tp])
        for tp, topic_id in sorted(ids.items())
    ]
