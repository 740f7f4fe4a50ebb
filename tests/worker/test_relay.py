"""The relay on a real Kafka and PostgreSQL: one row, or one topic, holds up nothing else."""

import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from kafka.admin import ConfigResource, ConfigResourceType, NewTopic
from kafka.errors import KafkaError, KafkaTimeoutError
from typer.testing import CliRunner

from pipeline import log
from pipeline.cli import app
from pipeline.ledger import outbox_queue
from pipeline.ledger.failures import Stop
from pipeline.ledger.outbox import headers_json
from pipeline.settings import environment
from pipeline.worker.relay import PRODUCER, TOLD, Relay, UnknownTopicError
from schemas.topics import Stream
from tests.harness import System, review
from tests.system.test_whole_way import read
from tests.wait import wait_for

pytestmark = pytest.mark.system

HUGE = 1_200_000
UNSENT = "select count(*) from outbox where sent_at is null and set_aside_at is null and stream = :stream"


def add(
    system: System,
    stream: Stream,
    key: str | None,
    value: bytes = b"{}",
    headers: dict[str, bytes | None] | None = None,
) -> int:
    """A row of the outbox; its id."""
    row = {
        "stream": stream.value,
        "key": None if key is None else key.encode(),
        "value": value,
        "headers": headers_json((headers or {}).items()),
    }
    system.tell(
        "insert into outbox (stream, key, headers, value) values (:stream, :key, cast(:headers as json), :value)",
        **row,
    )
    return int(system.one("select max(id) from outbox"))


def steps(system: System, *names: str) -> None:
    """Ticket steps, named ticket/step."""
    for name in names:
        add(system, Stream.TICKET, name.split("/")[0], name.encode())


def told(system: System, stream: Stream = Stream.TICKET) -> list[str]:
    return [value.decode() for _, value in read(system, stream)]


def aside(system: System) -> dict[int, str]:
    return dict(system.ask("select id, error from outbox where set_aside_at is not null"))


def topics_with(system: System, stream: Stream, **configs: str) -> None:
    """Topics of new names, that of this stream with these settings: an old one would take them on a moment later."""
    system.settings.kafka.topic_prefix += "new."
    topic = system.settings.kafka.topic(stream)
    named = {name.replace("_", "."): value for name, value in configs.items()}
    with log.admin(system.settings.kafka) as client:
        client.create_topics([NewTopic(topic, 1, 1, topic_configs=named)])
    log.declare_topics(system.settings.kafka)


def delete(system: System, stream: Stream) -> None:
    """Delete the topic, and wait until no producer can find it."""
    topic = system.settings.kafka.topic(stream)
    with log.admin(system.settings.kafka) as client:
        client.delete_topics([topic])
    wait_for(lambda: not is_known(system, topic), 20, f"{topic} to be gone")


def is_known(system: System, topic: str) -> bool:
    producer = log.producer(system.settings.kafka, max_block_ms=500)
    try:
        return bool(producer.partitions_for(topic))
    except KafkaTimeoutError:
        return False
    finally:
        log.abandon(producer)


@contextmanager
def relaying(system: System) -> Iterator[dict[Stream, Relay]]:
    """Both relays, as the worker runs them."""
    stop = threading.Event()
    relays = {stream: Relay(system.ledger, system.settings.kafka, stream) for stream in TOLD}
    threads = [threading.Thread(target=relay.run, args=(stop,)) for relay in relays.values()]
    for thread in threads:
        thread.start()
    try:
        yield relays
    finally:
        stop.set()
        for thread in threads:
            thread.join(20)


def wait_until_sent(system: System, *streams: Stream, seconds: float = 30) -> None:
    for stream in streams or TOLD:
        wait_for(lambda s=stream: not system.one(UNSENT, stream=s.value), seconds, f"{stream} to be sent")  # type: ignore[misc]  # a lambda's default has no type


def hcp(system: System, *words: str) -> str:
    done = CliRunner().invoke(app, ["outbox", *words], env=environment(system.settings))
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.output


def test_a_row_that_is_too_large_for_the_producer_holds_up_nothing(system: System) -> None:
    steps(system, "a/opened", "b/opened")
    row = add(system, Stream.TICKET, "b", b"x" * HUGE)
    steps(system, "a/rerouted", "b/rerouted", "c/opened", "a/redated")
    with relaying(system) as relays:
        wait_until_sent(system)
        assert relays[Stream.TICKET].last_error == ""
    assert sorted(told(system)) == [
        "a/opened", "a/redated", "a/rerouted", "b/opened", "b/rerouted", "c/opened",
    ]  # fmt: skip
    assert [step for step in told(system) if step[0] == "a"] == ["a/opened", "a/rerouted", "a/redated"]
    assert list(aside(system)) == [row]
    assert aside(system)[row].startswith("too large: 1,200,001 bytes")


def test_a_dead_letter_that_is_too_large_goes_without_its_value(system: System) -> None:
    add(system, Stream.DEAD_LETTER, None, os.urandom(HUGE), {"hcp_reason": b"not_json", "empty": None})
    add(system, Stream.DEAD_LETTER, "k", b"small")
    with relaying(system):
        wait_until_sent(system)
    assert aside(system) == {}
    letters = {value: headers for headers, value in read(system, Stream.DEAD_LETTER)}
    assert letters[b"small"] == {}
    assert letters[b""]["hcp_reason"] == b"not_json"
    assert (letters[b""]["hcp_value_left_out"], letters[b""]["hcp_length"]) == (b"too_large", b"1200000")


def test_what_the_broker_refuses_is_set_aside_alone_and_goes_when_a_person_says_so(system: System) -> None:
    topics_with(system, Stream.TICKET, max_message_bytes="3000")
    names = [f"{n}/opened" for n in range(30)]
    steps(system, *names[:15])
    row = add(system, Stream.TICKET, "large", large := os.urandom(4000).hex().encode())
    steps(system, "large/rerouted", *names[15:])

    def again() -> str:
        return hcp(system, "retry", "--all", "--by", "officer")

    with relaying(system):
        wait_until_sent(system)
        assert sorted(told(system)) == sorted([*names, "large/rerouted"])
        assert list(aside(system)) == [row]

        (listed,) = json.loads(hcp(system, "list", "--json"))
        assert (listed["id"], listed["stream"], listed["key"]) == (row, "ticket.v1", "large")
        assert "max.message.bytes" in listed["error"]
        assert "1 rows are set aside" in hcp(system, "list")

        assert "1 rows will be sent again" in hcp(system, "retry", str(row))
        wait_until_sent(system)
        wait_for(lambda: aside(system), 20, "it to be refused again")
        raised = ConfigResource(
            ConfigResourceType.TOPIC,
            system.settings.kafka.topic(Stream.TICKET),
            {"max.message.bytes": "100000"},
        )
        with log.admin(system.settings.kafka) as client:
            client.alter_configs([raised], raise_on_unknown=False)
        wait_for(lambda: again() and large.decode() in told(system), 20, "the broker to take it")
    assert aside(system) == {}
    assert system.one("select retried_by from outbox where retried_at is not null") == "officer"


def test_a_row_that_a_compacted_topic_refuses_does_not_take_its_batch_with_it(system: System) -> None:
    topics_with(system, Stream.DEAD_LETTER, cleanup_policy="compact")
    for n in range(5):
        add(system, Stream.DEAD_LETTER, f"k{n}", str(n).encode())
    row = add(system, Stream.DEAD_LETTER, None, b"keyless")
    with relaying(system):
        wait_until_sent(system)
    assert sorted(told(system, Stream.DEAD_LETTER)) == ["0", "1", "2", "3", "4"]
    assert aside(system)[row].startswith(
        "InvalidRecordError: Compacted topic cannot accept message without key"
    )


@pytest.mark.parametrize("gone", TOLD)
def test_a_deleted_topic_delays_its_own_rows_only(system: System, gone: Stream) -> None:
    (other,) = set(TOLD) - {gone}
    with relaying(system) as relays:
        for stream in TOLD:
            add(system, stream, "before", b"before")
        wait_until_sent(system)
        delete(system, gone)
        row = add(system, gone, "during", b"during")
        for n in range(3):
            add(system, other, "during", str(n).encode())
            wait_until_sent(system, other, seconds=5)
        wait_for(lambda: "`hcp topics`" in relays[gone].last_error, 30, "the relay to say what to do")
        assert relays[other].last_error == ""
        assert system.one("select id from outbox where sent_at is null") == row
        assert aside(system) == {}

        log.declare_topics(system.settings.kafka)
        wait_until_sent(system, gone, seconds=30)
        wait_for(lambda: relays[gone].last_error == "", 10, "the error to be over")
    assert told(system, gone) == ["during"]
    assert sorted(told(system, other)) == ["0", "1", "2", "before"]


LONGEST_IDLE = """
select coalesce(max(extract(epoch from clock_timestamp() - state_change)), 0)
from pg_stat_activity where state = 'idle in transaction'
"""
"""In seconds. Between two statements of a short transaction, too, a session is idle for a moment."""


def test_a_topic_that_is_gone_is_waited_for_outside_the_transaction(system: System) -> None:
    steps(system, "a/opened")
    elsewhere = system.settings.kafka.model_copy(update={"topic_prefix": "never.declared."})
    relay = Relay(system.ledger, elsewhere, Stream.TICKET)

    def send() -> None:
        with pytest.raises(UnknownTopicError):
            relay.send_some()

    waiting = threading.Thread(target=send)
    waiting.start()
    longest = 0.0
    while waiting.is_alive():
        longest = max(longest, float(system.one(LONGEST_IDLE)))
    assert longest < PRODUCER["max_block_ms"] / 2_000, "a transaction stood open while Kafka was asked"
    relay.close()


CONNECT_IN_VAIN = """
import gc
from pathlib import Path
from kafka.errors import KafkaError
from pipeline.log import producer
from pipeline.settings import Kafka

gc.disable()
for _ in range(2):
    print(len(list(Path("/proc/self/fd").iterdir())))
    try:
        producer(Kafka(bootstrap_servers="127.0.0.1:1"), bootstrap_timeout_ms=500)
    except KafkaError:
        pass
"""


def test_connecting_in_vain_uses_up_no_descriptors() -> None:
    """An outage of an hour is a thousand tries."""
    done = subprocess.run([sys.executable, "-c", CONNECT_IN_VAIN], capture_output=True, text=True, check=True)
    assert len(set(done.stdout.split())) == 1


@pytest.mark.filterwarnings(
    "ignore:unclosed:ResourceWarning"
)  # kafka-python's, of connections that were refused
def test_while_kafka_is_away_nothing_is_set_aside(system: System, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "kafka")  # a record of its log would keep the connections
    steps(system, "a/opened")
    away = system.settings.kafka.model_copy(update={"bootstrap_servers": "127.0.0.1:1"})
    relay = Relay(system.ledger, away, Stream.TICKET)
    with pytest.raises(KafkaError, match="Unable to bootstrap"):
        relay.send_some()
    assert aside(system) == {}
    with relaying(system):
        wait_until_sent(system)


def test_a_crash_between_sending_and_marking_only_repeats(system: System) -> None:
    die = "import os; from pipeline.ledger import outbox_queue; outbox_queue.mark = lambda *_: os._exit(9)"
    system.send(review(None, 1))
    with system.worker(die) as process:
        assert process.wait(60) == 9
    assert len(told(system)) == 1
    with system.worker():
        wait_for(lambda: len(told(system)) == 2, 40, "the step once more")
        wait_until_sent(system)
    first, second = read(system, Stream.TICKET)
    assert first == second


def test_of_a_ticket_one_step_is_under_way_at_a_time(system: System) -> None:
    steps(system, "a/opened", "b/opened", "a/rerouted")
    for key in ("k", "k"):
        add(system, Stream.DEAD_LETTER, key)
    with system.ledger.connect() as connection:
        values = [row.value for row in outbox_queue.next_rows(connection, Stream.TICKET)]
        assert values == [b"a/opened", b"b/opened"]
        assert len(outbox_queue.next_rows(connection, Stream.DEAD_LETTER)) == 2


def test_rows_are_taken_by_their_number_and_by_their_size(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(4):
        add(system, Stream.DEAD_LETTER, str(n), b"x" * 1000)
    with system.ledger.connect() as connection:

        def taken() -> list[Any]:
            return [row.key for row in outbox_queue.next_rows(connection, Stream.DEAD_LETTER)]

        monkeypatch.setattr(outbox_queue, "BATCH_ROWS", 3)
        assert taken() == [b"0", b"1", b"2"]
        monkeypatch.setattr(outbox_queue, "BATCH_BYTES", 1500)
        assert taken() == [b"0", b"1"]
        monkeypatch.setattr(outbox_queue, "BATCH_BYTES", 1)
        assert taken() == [b"0"], "a row that is larger than the bound goes alone"


def test_one_relay_of_a_stream_at_a_time(system: System) -> None:
    steps(system, "a/opened")
    relay = Relay(system.ledger, system.settings.kafka, Stream.TICKET)
    with system.ledger.begin() as connection:
        assert outbox_queue.claim(connection, Stream.TICKET)
        assert relay.send_some() == 0
    assert relay.send_some() == 1
    relay.close()


def test_the_command_says_what_is_wrong_with_its_words(system: System) -> None:
    assert hcp(system, "list") == "no row is set aside\n"
    assert "name the rows, or give --all" in hcp(system, "retry")
    assert "name the rows, or give --all" in hcp(system, "retry", "1", "--all")
    row = add(system, Stream.TICKET, "13800001111 \x1b")
    system.tell("update outbox set set_aside_at = now(), error = 'too large'")
    with pytest.raises(Stop, match=f"not set aside: {row + 1}; nothing was changed"):
        hcp(system, "retry", str(row), str(row + 1))
    assert list(aside(system)) == [row]
    (listed,) = json.loads(hcp(system, "list", "--json"))
    assert listed["key"] == "138****1111 \\u001b"
    assert listed["since"].endswith("+08:00")
