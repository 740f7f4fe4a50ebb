"""The log: Apache Kafka seen through kafka-python. Topics, their ends, and how clients connect."""

import gc
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from kafka import KafkaAdminClient, KafkaProducer, TopicPartition
from kafka.admin import NewTopic, OffsetSpec
from kafka.errors import (
    InvalidRecordError,
    KafkaError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    TopicAlreadyExistsError,
    UnknownTopicOrPartitionError,
)
from kafka.protocol.consumer.offsets import IsolationLevel

from pipeline.settings import Kafka, NotConfiguredError
from schemas.topics import INPUTS, Stream

ONE_PARTITION = frozenset({Stream.DEAD_LETTER})
ABANDON_SECONDS = 5
CONNECT_SECONDS = 5.0
TRIES = 5
"""A topic that is deleted between two questions is left out at the next try."""
TOO_LARGE = (MessageSizeTooLargeError, RecordListTooLargeError)
NEVER_TAKEN = (*TOO_LARGE, InvalidRecordError)
"""The same record will be refused again: too large for the client or the topic, not valid in it (no key where it is compacted).

Every other error is of the moment: Kafka away, a timeout, a topic or a right that is missing, a batch refused because of
another record in it, a clock that is wrong (InvalidTimestampError), bytes damaged on the way (CorruptRecordError).
"""


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
    """A producer as the design demands: acknowledged by all, idempotent, lz4, murmur2.

    Connects: blocks for 5 s at most, then raises a KafkaError. `options`: settings of KafkaProducer that replace these.
    """
    usual = {
        "bootstrap_timeout_ms": int(CONNECT_SECONDS * 1000),
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


class _Admin(KafkaAdminClient):  # type: ignore[misc]  # kafka-python is seen as untyped
    """Closes its sockets and ends its thread also when it cannot connect."""

    def __init__(self, **options: Any) -> None:
        try:
            super().__init__(**options)
        except KafkaError:
            self._closed = False
            self.close()
            raise


@contextmanager
def admin(kafka: Kafka, seconds: float = CONNECT_SECONDS) -> Iterator[KafkaAdminClient]:
    """An admin client, closed at the end. Connects: blocks for `seconds` at most, then raises a KafkaError."""
    client = _Admin(**client_options(kafka), bootstrap_timeout_ms=int(seconds * 1000))
    try:
        yield client
    finally:
        client.close()


def declare_topics(kafka: Kafka) -> list[str]:
    """Create those of the five topics that are missing; returns their names. Blocks until brokers know them.

    LogAppendTime: a backfill carries times of last year, and retention by the sender's time would delete it as it arrives.
    """
    with admin(kafka) as client:
        created = []
        for stream in _missing(client, kafka):
            try:
                client.create_topics([_new_topic(kafka, stream)], wait_for_metadata=True)
            except TopicAlreadyExistsError:
                continue  # another of us was faster
            created.append(kafka.topic(stream))
        return created


def missing_topics(client: KafkaAdminClient, kafka: Kafka) -> list[str]:
    """The names of those of the five topics that do not exist. Blocks."""
    return [kafka.topic(stream) for stream in _missing(client, kafka)]


def _missing(client: KafkaAdminClient, kafka: Kafka) -> list[Stream]:
    there = set(client.list_topics())
    return [stream for stream in Stream if kafka.topic(stream) not in there]


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
    with admin(kafka) as client:
        younger = _offsets(client, [TopicPartition(*at) for at in positions], since)
    return {
        (tp.topic, tp.partition) for tp, offset in younger.items() if not 0 <= offset <= positions[tuple(tp)]
    }


def watermarks(kafka: Kafka, streams: Iterable[Stream] = INPUTS) -> list[Watermark]:
    """Start, end and topic id of each partition of these topics; topics that do not exist are left out. Blocks."""
    with admin(kafka) as client:
        return marks(client, [kafka.topic(stream) for stream in streams])


def marks(client: KafkaAdminClient, topics: Sequence[str]) -> list[Watermark]:
    """The same through this client, for topics by their names. Raises KafkaError.

    The end is the last stable offset: records of open transactions do not exist yet.
    """
    for _ in range(TRIES):
        ids = _topic_ids(client, topics)
        with suppress(UnknownTopicOrPartitionError):
            starts, ends = (_offsets(client, ids, spec) for spec in (OffsetSpec.EARLIEST, OffsetSpec.LATEST))
            return [
                Watermark(tp.topic, tp.partition, topic_id, starts[tp], ends[tp])
                for tp, topic_id in sorted(ids.items())
            ]
    raise UnknownTopicOrPartitionError(f"the partitions of {' and '.join(topics)} change all the time")


def _topic_ids(client: KafkaAdminClient, topics: Sequence[str]) -> dict[TopicPartition, str]:
    return {
        TopicPartition(topic["name"], part["partition_index"]): str(topic["topic_id"])
        for topic in client.describe_topics(topics)
        if not topic["error_code"]
        for part in topic["partitions"]
    }


def _offsets(
    client: KafkaAdminClient, partitions: Iterable[TopicPartition], spec: OffsetSpec | int
) -> dict[TopicPartition, int]:
    found = client.list_partition_offsets(dict.fromkeys(partitions, spec), IsolationLevel.READ_COMMITTED)
    return {tp: at.offset for tp, at in found.items()}


def unassigned(kafka: Kafka, group: str, streams: Iterable[Stream] = INPUTS) -> set[tuple[str, int]]:
    """Partitions of these topics that no member of this consumer group reads; none while the group rebalances. Blocks."""
    with admin(kafka) as client:
        found = client.describe_groups([group])[group]
        there = {tuple(tp) for tp in _topic_ids(client, [kafka.topic(stream) for stream in streams])}
    if found["group_state"] != "Stable":
        return set()
    return there - {
        (topic["topic"], partition)
        for member in found["members"]
        for topic in member["member_assignment"]["assigned_partitions"]
        for partition in topic["partitions"]
    }
