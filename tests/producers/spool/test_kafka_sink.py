"""Into a real Kafka: every row as it is, in order; away for as long as it likes; what is too large is refused alone."""

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaConsumer
from kafka.admin import ConfigResource

from deploy.embedded.kafka import Kafka as Broker
from pipeline.edge import HEADER, Vouched
from pipeline.log import admin, client_options, declare_topics
from pipeline.settings import Kafka, Settings
from producers.spool.kafka_sink import KafkaSink
from producers.spool.record import Record, Row
from producers.spool.sink import Refused, Unsent
from schemas.topics import Stream
from tests.conftest import CACHE, EDGE
from tests.producers.spool.making import record
from tests.wait import wait_for

pytestmark = pytest.mark.system
NOW = datetime(2026, 11, 23, tzinfo=UTC)


def rows(*event_ids: str, key: str = "case-1") -> list[Row]:
    return [Row(n, record(event_id, key), NOW) for n, event_id in enumerate(event_ids, 1)]


def read(kafka: Kafka, count: int) -> list[Any]:
    """The first records of the topic of reviews."""
    consumer = KafkaConsumer(
        kafka.topic(Stream.REVIEW),
        **client_options(kafka),
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        group_id=None,
    )
    found: list[Any] = []
    try:
        wait_for(lambda: more(consumer, found, count), 30, f"{count} records")
    finally:
        consumer.close()
    return found


def more(consumer: KafkaConsumer, found: list[Any], count: int) -> bool:
    for batch in consumer.poll(500).values():
        found += batch
    return len(found) >= count


def test_rows_arrive_as_they_are_and_in_order(stack: Settings) -> None:
    sink = KafkaSink(stack.kafka, EDGE)
    sent = rows(*(f"e{n}" for n in range(200)))
    sink.send(sent)
    found = read(stack.kafka, 200)
    assert [(one.key, one.value, one.headers) for one in found] == [
        (row.record.key, row.record.value, row.record.headers) for row in sent
    ]
    sink.close()
    sink.close()
    sink.send(rows("again"))
    sink.close()


def test_a_row_from_before_the_signature_is_signed_as_its_gateway_would_have_done(stack: Settings) -> None:
    """Else its delay in the spool would be held against its sender. Sent again, it has the same bytes."""
    received = "2026-11-22T23:59:59.123456Z"
    body = b'{"satisfaction":5,"received_at":"%s"}' % received.encode()
    old = [
        Row(n, Record(f"e{n}", "d", "review.v1", b"k", [("ce_source", b"/system/a")], value), NOW)
        for n, value in ((1, body), (2, b"no JSON"), (1, body))
    ]
    sink = KafkaSink(stack.kafka, EDGE)
    sink.send(old)
    sink.close()
    found = read(stack.kafka, 3)
    topic = stack.kafka.topic(Stream.REVIEW)
    said = [
        EDGE.verify(dict(one.headers)[HEADER], topic, f"e{n}", one.value)
        for n, one in zip((1, 2), found, strict=False)
    ]
    assert said == [
        Vouched("/system/a", datetime.fromisoformat(received)),
        Vouched("/system/a", NOW),
    ]
    assert found[2].headers == found[0].headers


def test_a_row_that_no_topic_takes_is_refused_and_the_others_are_sent(stack: Settings) -> None:
    sink = KafkaSink(stack.kafka, EDGE)
    large = Row(2, record("large", value=bytes(2_000_000)), NOW)
    one, three = rows("e1", "-", "e3")[::2]
    with pytest.raises(Refused) as refused:
        sink.send([one, large, three])
    assert refused.value.reasons == {2: "too_large"}
    assert [dict(found.headers)["ce_id"] for found in read(stack.kafka, 2)] == [b"e1", b"e3"]
    sink.close()


@pytest.mark.parametrize(
    "servers", ["127.0.0.1:1", "127.0.0.1:1,[::1]:1", "nowhere.invalid:9092", "nonsense"]
)
def test_nobody_there_is_told_at_once(servers: str) -> None:
    with pytest.raises(Unsent, match="nobody listens"):
        KafkaSink(Kafka(bootstrap_servers=servers), EDGE).send(rows("e1"))


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    """A broker of its own, to be killed."""
    made = Broker(tmp_path / "kafka", CACHE, heap="256m")
    made.start()
    wait_for(made.ready, 60, "Kafka")
    yield made
    made.stop()


FORWARDS = """
    import sys
    from pathlib import Path
    from pipeline.settings import Kafka
    from producers import publish
    from producers.spool.forwarder import Forwarder
    from producers.spool.kafka_sink import KafkaSink
    from tests.conftest import EDGE
    from tests.producers.spool.making import fill, spool
    publish.ACK_SECONDS = 2.0
    with spool(Path(sys.argv[1])) as open_:
        forwarder = Forwarder(open_, KafkaSink(Kafka(bootstrap_servers=sys.argv[2]), EDGE), first_pause=0.05)
        forwarder.start()
        for line in sys.stdin:
            fill(open_, *line.split())
            print(open_.stats().pending, forwarder.last_error, flush=True)
        print("stopped" if forwarder.stop() else "hangs")
"""
"""A process that appends the ids of each line it reads, and says how its forwarder does. An empty line only asks."""


class Forwarding:
    """That process."""

    def __init__(self, folder: Path, kafka: Kafka) -> None:
        words = [
            sys.executable,
            "-W",
            "ignore",
            "-c",
            textwrap.dedent(FORWARDS),
            str(folder),
            kafka.bootstrap_servers,
        ]
        self.process: subprocess.Popen[str] = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def append(self, *event_ids: str) -> str:
        """How it stands afterwards: rows that wait, last error."""
        assert self.process.stdin
        assert self.process.stdout
        print(*event_ids, file=self.process.stdin, flush=True)
        return self.process.stdout.readline().strip()

    def end(self) -> str:
        return self.process.communicate(timeout=30)[0].strip()


def test_a_broker_that_is_killed_and_comes_back_gets_everything(broker: Broker, tmp_path: Path) -> None:
    """The producer of before is given up: a new one is made, as often as it takes."""
    kafka = Kafka(bootstrap_servers=broker.bootstrap_servers)
    declare_topics(kafka)
    ids = [f"e{n}" for n in range(30)]
    forwarding = Forwarding(tmp_path / "spool", kafka)
    forwarding.append(*ids[:10])
    wait_for(lambda: forwarding.append() == "0")
    assert broker.child
    os.kill(broker.child.pid or 0, signal.SIGKILL)
    wait_for(lambda: broker.child and not broker.child.running)
    forwarding.append(*ids[10:20])
    wait_for(lambda: forwarding.append() == "10 Kafka: nobody listens", 30)
    broker.start()
    wait_for(broker.ready, 60, "Kafka")
    forwarding.append(*ids[20:])
    wait_for(lambda: forwarding.append() == "0", 60, "what waited to be sent")
    assert forwarding.end() == "stopped"
    found = [dict(one.headers)["ce_id"].decode() for one in read(kafka, 30)]
    assert list(dict.fromkeys(found)) == ids


def test_a_row_that_the_broker_refuses_keeps_no_other_from_being_sent(stack: Settings) -> None:
    with admin(stack.kafka) as client:
        resource = ConfigResource("TOPIC", stack.kafka.topic(Stream.REVIEW), {"max.message.bytes": "20000"})
        client.alter_configs([resource])
    sink = KafkaSink(stack.kafka, EDGE)
    large = Row(2, record("large", value=os.urandom(60_000)), NOW)
    one, three = rows("e1", "-", "e3")[::2]
    wait_for(lambda: refused_by(sink, [one, large, three]) == {2: "too_large"}, 30, "the limit to hold")
    assert {dict(found.headers)["ce_id"] for found in read(stack.kafka, 2)} >= {b"e1", b"e3"}
    sink.send(rows("after"))
    sink.close()


def refused_by(sink: KafkaSink, sent: list[Row]) -> dict[int, str]:
    try:
        sink.send(sent)
    except Refused as refused:
        return dict(refused.reasons)
    return {}
