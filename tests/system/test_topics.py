"""Input topics that are deleted, made again, given more partitions or fewer, under a worker that runs."""

import json
from collections.abc import Iterator

import pytest
from kafka import KafkaAdminClient
from kafka.errors import TopicAlreadyExistsError

from consumers.status import collect
from pipeline import log
from pipeline.ledger.adopting import adopt_topic, survey
from schemas.topics import Stream
from tests.harness import System, case, review
from tests.wait import wait_for

pytestmark = pytest.mark.system
FOLD_SECONDS = 30


@pytest.fixture
def folding(system: System) -> Iterator[System]:
    """A worker that leads the group without knowing it: it was killed and came back under its static membership."""
    with system.worker(kill=True):
        system.send(case("before"), review("before"))
        system.wait_until_caught_up()
    with system.worker() as process:
        system.send(case("after"), review("after"))
        system.wait_until_caught_up()
        yield system
        assert process.poll() is None


def recreate(system: System, topic: str, partitions: int) -> None:
    """Delete the topic, wait until it is gone, make it anew."""
    with log.admin(system.settings.kafka) as admin:
        admin.delete_topics([topic])
        wait_for(lambda: topic not in admin.list_topics(), 10, "the topic is gone")
        wait_for(lambda: created(admin, topic, partitions), 10, "the topic is there again")


def created(admin: KafkaAdminClient, topic: str, partitions: int) -> bool:
    try:
        admin.create_topics({topic: {"num_partitions": partitions, "replication_factor": 1}})
    except TopicAlreadyExistsError:
        return False
    return True


def services(system: System) -> int:
    found: int = system.one("select count(*) from service where not placeholder")
    return found


@pytest.mark.parametrize("stream", [Stream.CASE, Stream.REVIEW])
def test_a_deleted_topic_stops_only_itself_until_it_is_made_and_adopted(
    folding: System, stream: Stream
) -> None:
    settings = folding.settings
    topic = settings.kafka.topic(stream)
    with log.admin(settings.kafka) as admin:
        admin.delete_topics([topic])
    wait_for(
        lambda: f"the topic {topic} does not exist: make it with `hcp topics`" in collect(settings)["errors"],
        10,
        "status names it",
    )
    other = [review(f"meanwhile {n}") for n in range(20)]
    if stream is Stream.REVIEW:
        other = [case(f"meanwhile {n}") for n in range(20)]
    folding.send(*other)
    counted = "select coalesce(sum(records), 0) from stream_position"
    wait_for(lambda: folding.one(counted) == 24, FOLD_SECONDS, "the other topic is folded")

    assert log.declare_topics(settings.kafka) == [topic]
    wait_for(
        lambda: any(f"hcp positions adopt {topic}" in error for error in collect(settings)["errors"]),
        FOLD_SECONDS,
        "the worker says that the topic was made anew",
    )
    assert adopt_topic(settings, topic, dry_run=False)
    folding.send(case("last"), review("last"))
    folding.wait_until_caught_up(FOLD_SECONDS)
    wait_for(lambda: collect(settings)["errors"] == [], FOLD_SECONDS, "nothing is wrong")


def test_a_topic_that_is_missing_at_the_start_is_read_as_soon_as_it_is_made(system: System) -> None:
    topic = system.settings.kafka.topic(Stream.REVIEW)
    with log.admin(system.settings.kafka) as admin:
        admin.delete_topics([topic])
        wait_for(lambda: topic not in admin.list_topics(), 10, "the topic is gone")
    with system.worker() as process:
        system.send(case("alone"))
        wait_for(lambda: services(system) == 1, FOLD_SECONDS, "the case is folded")
        log.declare_topics(system.settings.kafka)
        system.send(review("alone"))
        system.wait_until_caught_up(FOLD_SECONDS)
        assert process.poll() is None


def test_added_partitions_are_read_and_told(folding: System) -> None:
    topic = folding.settings.kafka.topic(Stream.CASE)
    with log.admin(folding.settings.kafka) as admin:
        admin.create_partitions({topic: 8})
    producer = log.producer(folding.settings.kafka)
    wait_for(lambda: producer.partitions_for(topic) == set(range(8)), 10, "a producer sees the partitions")
    for partition in (6, 7):
        body = json.dumps(case(f"in {partition}")).encode()
        folding.send_raw(Stream.CASE, body, partition=partition, producer=producer)
    producer.close()
    folding.wait_until_caught_up(FOLD_SECONDS)
    assert services(folding) == 4
    picture = collect(folding.settings)
    assert picture["errors"] == []
    assert f"{topic} has 8" in picture["notes"][0]


def test_positions_of_partitions_that_are_gone_are_retired(folding: System) -> None:
    settings = folding.settings
    topic = settings.kafka.topic(Stream.CASE)
    recreate(folding, topic, 4)
    gone = [f"{topic}[{partition}]" for partition in (4, 5)]
    assert [str(one).split()[0] for one in survey(settings).vanished] == gone
    would = adopt_topic(settings, topic, dry_run=True)
    assert [line.split(":")[0] for line in would if "would retire" in line] == gone
    assert adopt_topic(settings, topic, dry_run=False)
    assert survey(settings).vanished == []
    folding.send(case("last"))
    folding.wait_until_caught_up(FOLD_SECONDS)
    assert adopt_topic(settings, topic, dry_run=True) == []
