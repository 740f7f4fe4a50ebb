"""What operators and machines do: topics deleted and raised, servers stopped and killed, sessions ended, rows too large."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

import pytest

from deploy.embedded.kafka import Kafka
from deploy.embedded.postgres import Postgres
from pipeline import log
from schemas.topics import INPUTS, Stream
from tests.harness import HALVES, System, review
from tests.liveness.ground import Ground
from tests.liveness.promise import SECONDS
from tests.liveness.servers import Server, killed, stopped
from tests.liveness.wire import Raw, batch
from tests.wait import wait_for

pytestmark = [
    pytest.mark.system,
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
"""kafka-python leaves a socket open for each try while Kafka is away."""
STATUS_SECONDS = 5.0
UNSENT = "select count(*) from outbox where sent_at is null"
TOO_LARGE = 2_000_000
"""Bytes; the producer sends 1 MiB at most."""
END_AFTER_MS = 400
"""Of a transaction, then its session is ended: a whole batch takes longer, a small part of one does not."""


@pytest.mark.parametrize("stream", INPUTS)
def test_an_input_topic_is_deleted_made_again_and_adopted(stream: Stream, ground: Ground) -> None:
    topic = ground.system.settings.kafka.topic(stream)
    delete(ground.system, topic)
    for other in HALVES:
        if other is not stream:
            ground.keep_one(other)
    assert any(topic in error for error in errors(ground)), "status names the topic that is gone"
    make_again(ground, topic)
    adopted = ground.hcp("positions", "adopt", topic, "--yes")
    assert adopted.exit_code == 0, adopted.output
    ground.keep()
    assert not ground.crew.ends


def test_the_dead_letter_topic_is_deleted_and_tickets_are_told_all_the_same(ground: Ground) -> None:
    topic = ground.system.settings.kafka.topic(Stream.DEAD_LETTER)
    delete(ground.system, topic)
    ground.send_records(Stream.CASE, 0, batch([Raw(b"k", b"{")]), 1)
    ground.keep()
    make_again(ground, topic)
    ground.keep()
    ground.wait(
        lambda: ground.system.one(UNSENT) == 0, "the dead letter to be sent when its topic is there again"
    )


def test_all_inputs_get_two_partitions_more(ground: Ground) -> None:
    topics = [ground.system.settings.kafka.topic(stream) for stream in INPUTS]
    before = ground.promise.partitions()
    with log.admin(ground.system.settings.kafka) as admin:
        admin.create_partitions(dict.fromkeys(topics, before + 2))
    wait_for(lambda: ground.promise.partitions() == before + 2, 20, "the partitions to be there")
    ground.keep()
    assert errors(ground) == []


def test_postgres_stands_still_for_a_while(ground: Ground, postgres: Postgres) -> None:
    """The time of an outage is counted from its end: what was sent meanwhile, too."""
    with stopped(postgres):
        pairs = ground.promise.send()
        assert_status_answers(ground, "database")
    ground.promise.await_told(pairs, time.monotonic())
    ground.keep()


def test_kafka_stands_still_for_a_while(ground: Ground, kafka: Kafka) -> None:
    with stopped(kafka):
        assert_status_answers(ground, "Kafka")
    ground.keep()


def test_postgres_is_killed(ground: Ground, postgres: Postgres) -> None:
    kept_after_kill(ground, postgres, "database")


def test_kafka_is_killed(ground: Ground, kafka: Kafka) -> None:
    kept_after_kill(ground, kafka, "Kafka")


def test_a_batch_whose_session_is_ended_again_and_again_moves(ground: Ground) -> None:
    before = ground.folded()
    with long_copies_ended(ground.system):
        number = f"ended-{id(ground)}"
        sent = ground.pour(
            Stream.REVIEW, 1, (review(f"{number}-{n}", 1) for n in range(6_000)), at_once=3_000
        )
        ground.keep(but=(Stream.REVIEW, 1))
        pairs = ground.promise.partitions() * 2
        ground.wait(lambda: ground.folded() == before + sent + pairs, "the batch to move", 2 * SECONDS)
    ground.keep()


def test_a_row_of_the_outbox_is_larger_than_the_producer_sends(ground: Ground) -> None:
    with ground.system.ledger.begin() as connection:
        row = connection.exec_driver_sql(
            "insert into outbox (stream, key, headers, value) values (%s, %s, '[]', %s) returning id",
            (Stream.TICKET.value, b"large", b"v" * TOO_LARGE),
        ).scalar()
    ground.keep()
    ground.wait(lambda: str(row) in ground.hcp("outbox", "list").stdout, "hcp outbox list to name the row")
    ground.keep()


def delete(system: System, topic: str) -> None:
    with log.admin(system.settings.kafka) as admin:
        admin.delete_topics([topic])
        wait_for(lambda: topic not in admin.list_topics(), 20, "the topic to go")


def make_again(ground: Ground, topic: str) -> None:
    """`hcp topics`, typed until the broker has forgotten the old one."""

    def made() -> bool:
        return topic in ground.hcp("topics").stdout

    wait_for(made, 20, "hcp topics to make the topic again")


def errors(ground: Ground) -> list[str]:
    """Of `hcp status`."""
    found: list[str] = json.loads(ground.hcp("status", "--json").stdout)["errors"]
    return found


def assert_status_answers(ground: Ground, who: str) -> None:
    """Within 5 s, exit code 1, and what is wrong stands before everything else."""
    began = time.monotonic()
    said = ground.hcp("status")
    took = time.monotonic() - began
    assert took <= STATUS_SECONDS, f"hcp status took {took:.1f} s"
    assert said.exit_code == 1
    assert not said.exception or isinstance(said.exception, SystemExit), said.exception
    first = said.stdout.strip().splitlines()[0]
    assert who in first
    assert "answer" in first


def kept_after_kill(ground: Ground, server: Server, who: str) -> None:
    with killed(server):
        assert_status_answers(ground, who)
    ground.keep()


@contextmanager
def long_copies_ended(system: System) -> Iterator[None]:
    """End every session of the worker whose transaction is in a COPY and older than `END_AFTER_MS`, again and again."""
    over = Event()

    def run() -> None:
        while not over.wait(0.02):
            system.ask(
                "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'hcp-worker'"
                " and datname = current_database() and state = 'active' and query ilike 'copy %'"
                f" and clock_timestamp() - xact_start > interval '{END_AFTER_MS} ms'"
            )

    thread = Thread(target=run, name="ender", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
