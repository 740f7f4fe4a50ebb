"""What goes wrong around the worker: kills, lost batches, databases set back, topics made anew, foreign producers."""

import json
import signal
from collections.abc import Callable
from functools import partial

import pytest
from kafka import KafkaProducer
from kafka.errors import KafkaError

from pipeline import log
from pipeline.ledger.adopting import adopt_topic
from schemas.topics import Stream
from tests.harness import System, case, review
from tests.wait import wait_for

pytestmark = pytest.mark.system

LEDGER = [
    "service",
    "case_version",
    "review",
    "ticket",
    "counter",
    "stream_position",
    "raw_block",
    "dead_letter",
    "outbox",
    "log_gap",
]


def load(system: System, first: int, n: int) -> None:
    """n cases with their reviews, each tenth of them bad."""
    for i in range(first, first + n):
        for stream, event in (
            (Stream.CASE, case(f"A{i}")),
            (Stream.REVIEW, review(f"A{i}", 5 if i % 10 else 1)),
        ):
            topic = system.settings.kafka.topic(stream)
            system.producer.send(topic, key=f"A{i}".encode(), value=json.dumps(event).encode())
    system.producer.flush(30)


def whole(system: System, n: int) -> None:
    """Nothing lost, nothing twice."""
    assert system.fates() == {"stored": 2 * n}
    assert system.counters("services", "matched", "unpaired", "review_records") == {
        "services": n,
        "matched": n,
        "review_records": n,
    }
    assert system.one("select count(*)::int from service where outcome = 'matched'") == n
    assert system.one("select count(*)::int from ticket") == -(-n // 10)


def test_a_worker_killed_in_the_middle(system: System) -> None:
    system.settings.worker.batch_records = 200
    load(system, 0, 1500)
    for _ in range(2):
        with system.worker(kill=True):
            wait_for(partial(moved_beyond, system, records(system)), 40, "some batches")
    with system.worker():
        system.wait_until_caught_up()
    whole(system, 1500)


def records(system: System) -> int:
    return int(system.one("select coalesce(sum(records), 0) from stream_position"))


def moved_beyond(system: System, before: int) -> bool:
    return records(system) > before


def test_a_worker_stopped_gently_ends_with_zero_and_frees_its_slot(system: System) -> None:
    with system.worker() as worker:
        load(system, 0, 20)
        system.wait_until_caught_up()
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(15) == 0
        assert system.one("select state from office.component where name = 'worker-0'") == "stopped"
    whole(system, 20)


THROWS_ONCE = """
    from pipeline.worker.folding import Folding
    right, thrown = Folding.take_in, []
    async def take_in(self, portions):
        if any(portion.records for portion in portions) and not thrown:
            thrown.append(1)
            raise ValueError("thrown out of the agent")
        await right(self, portions)
    Folding.take_in = take_in
"""


def test_an_exception_out_of_the_agent_loses_nothing(system: System) -> None:
    """Faust acknowledges and goes on; the next batch shows the gap, or the watch does when there is none."""
    load(system, 0, 30)
    with system.worker(THROWS_ONCE):
        system.wait_until_caught_up()
        load(system, 30, 30)
        system.wait_until_caught_up()
    assert "thrown out of the agent" in system.log_text()
    whole(system, 60)


BLIND = """
    from pipeline.ledger.fold import Folder
    from pipeline.worker.watch import Watch
    def due(self, decoded, positions):
        return list(decoded), {(d.portion.topic, d.portion.partition): d.portion.end for d in decoded}, {}
    Folder._due = due
    async def check(self, consumer):
        return {}
    Watch.check = check
"""


def test_the_twin_without_gap_and_watch_loses_the_batch(system: System) -> None:
    load(system, 0, 30)
    with system.worker(THROWS_ONCE + BLIND):
        wait_for(lambda: "thrown out of the agent" in system.log_text(), 40, "the exception")
        load(system, 30, 30)
        system.wait_until_caught_up()
    assert system.fates()["stored"] < 120


def set_back(system: System) -> None:
    """As if last night's backup, of an empty ledger, had been restored."""
    system.tell(f"truncate {', '.join(LEDGER)}")


def test_a_database_set_back_while_it_runs(system: System) -> None:
    with system.worker():
        load(system, 0, 40)
        system.wait_until_caught_up()
        set_back(system)
        load(system, 40, 20)
        system.wait_until_caught_up()
    whole(system, 60)


def test_a_database_set_back_while_it_rests(system: System) -> None:
    with system.worker():
        load(system, 0, 40)
        system.wait_until_caught_up()
        set_back(system)
        system.wait_until_caught_up()
    whole(system, 40)


def test_all_database_sessions_terminated(system: System) -> None:
    system.settings.worker.batch_records = 100
    with system.worker() as worker:
        load(system, 0, 400)
        for _ in range(3):
            system.ask(
                "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'hcp-worker'"
            )
        load(system, 400, 100)
        system.wait_until_caught_up()
        assert worker.poll() is None, system.log_text()[-2000:]
    whole(system, 500)


def test_a_topic_made_anew_is_not_folded_before_it_is_adopted(system: System) -> None:
    topic = system.settings.kafka.topic(Stream.REVIEW)
    with system.worker():
        load(system, 0, 20)
        system.wait_until_caught_up()
    make_anew(system, topic)
    system.send(*(review(f"B{i}", 1) for i in range(10)))
    with system.worker():
        wait_for(lambda: "hcp positions adopt" in component_error(system), 40, "the advice")
        assert system.fates() == {"stored": 40}
        assert "would read" in adopt_topic(system.settings, topic, dry_run=True)[0]
        adopt_topic(system.settings, topic, dry_run=False)
        system.wait_until_caught_up()
    assert system.fates() == {"stored": 50}
    assert (
        system.one("select count(distinct topic_id)::int from stream_position where topic = :t", t=topic) == 2
    )


def component_error(system: System) -> str:
    return str(system.one("select coalesce(max(error), '') from office.component where state = 'blocked'"))


def make_anew(system: System, topic: str) -> None:
    with log.admin(system.settings.kafka) as admin:
        admin.delete_topics([topic])
        wait_for(lambda: topic not in admin.list_topics(), 20, "the topic to go")
    wait_for(
        lambda: try_to(lambda: log.declare_topics(system.settings.kafka)) == [topic], 20, "the topic to come"
    )


def try_to(act: Callable[[], list[str]]) -> list[str]:
    try:
        return act()
    except KafkaError:
        return []


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
def test_a_record_in_each_compression_codec(codec: str, system: System) -> None:
    producer = KafkaProducer(
        **log.client_options(system.settings.kafka), compression_type=codec, linger_ms=20
    )
    system.send(case("A"), review("A", 1), producer=producer)
    producer.close()
    with system.worker():
        system.wait_until_caught_up()
    assert system.counters("matched") == {"matched": 1}


def test_committed_and_aborted_transactions(system: System) -> None:
    """Aborted records do not exist; markers are holes, and the position comes to the log's very end."""
    producer = KafkaProducer(
        **log.client_options(system.settings.kafka), transactional_id="foreign", acks="all"
    )
    producer.init_transactions()
    with system.worker():
        for round_ in range(3):
            for commit in (True, False):
                producer.begin_transaction()
                name = f"{'C' if commit else 'X'}{round_}"
                system.send(case(name), review(name, 1), producer=producer)
                producer.commit_transaction() if commit else producer.abort_transaction()
        system.wait_until_caught_up()
    producer.close()
    assert system.fates() == {"stored": 6}
    assert {name for (name,) in system.ask("select case_no from service")} == {"C0", "C1", "C2"}
    assert system.one("select count(*)::int from log_gap") == 0
