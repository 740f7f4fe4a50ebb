"""A partition that fails of itself is blocked alone, says so everywhere, frees itself, and can be stepped over."""

import json
from itertools import count

import pytest

from consumers.exporter import create
from deploy.failures import sentence
from schemas.topics import Stream
from tests.consumers.client import Client
from tests.liveness.failing import ERRORS, event, refused
from tests.liveness.ground import Ground, Place
from tests.replay.story import everything
from tests.replay.test_replay import replay

pytestmark = pytest.mark.system
_turn = count()
WHY = "a record of the test's, nobody misses it"


def strike(ground: Ground, stream: Stream, case_no: str) -> tuple[Place, tuple[Stream, int]]:
    """Send the record that will be refused; returns its place, and its partition."""
    partition = next(_turn) % ground.promise.partitions()
    offset = ground.promise.hand_over(stream, partition, [event(stream, case_no)])
    return (ground.system.settings.kafka.topic(stream), partition, offset), (stream, partition)


@pytest.mark.parametrize("code", ERRORS)
@pytest.mark.parametrize("stream", [Stream.CASE, Stream.REVIEW])
def test_it_is_blocked_alone_and_frees_itself(stream: Stream, code: str, ground: Ground) -> None:
    case_no = f"blocked-{stream}-{code}"
    with refused(ground.system, stream, case_no, code):
        place, partition = strike(ground, stream, case_no)
        ground.keep(but=partition)
        assert_everybody_is_told(ground, place)
    ground.keep()
    ground.wait(lambda: ground.hcp("verify").exit_code == 0, "verify to be content again")
    ground.wait(lambda: not blocked(ground, place), "the metric to be 0 again")
    assert place not in ground.letters()
    assert not ground.crew.ends


@pytest.mark.parametrize("stream", [Stream.CASE, Stream.REVIEW])
def test_it_is_stepped_over_and_a_replay_does_the_same(stream: Stream, ground: Ground) -> None:
    case_no = f"stepped-{stream}"
    with refused(ground.system, stream, case_no, ERRORS[0]):
        place, partition = strike(ground, stream, case_no)
        ground.keep(but=partition)
        done = ground.hcp("positions", "skip", name(place), "--why", WHY)
        assert done.exit_code == 0, done.output
        ground.keep()
        assert ground.letters()[place] == "stepped_over"
        assert said_in_office(ground, WHY)
        assert name(place) in ground.hcp("dlq", "list").stdout
        assert ground.hcp("verify").exit_code == 0
    before = everything(ground.system)
    schema, _ = replay(ground.system)
    assert everything(ground.system, schema) == before


def test_what_does_not_stand_still_is_not_stepped_over(ground: Ground) -> None:
    ground.keep()
    topic = ground.system.settings.kafka.topic(Stream.CASE)
    before = ground.letters()
    for wrong in (f"{topic}/0/0", f"{topic}/77/0", "nonsense", f"{topic}/0/999999"):
        refused_it = ground.hcp("positions", "skip", wrong, "--why", WHY)
        assert refused_it.exit_code != 0
        assert refused_it.exception is not None
        assert sentence(refused_it.exception), "one that a person can act on"
    ground.keep()
    assert ground.letters() == before


def assert_everybody_is_told(ground: Ground, place: Place) -> None:
    """Status, verify and the metric name the place that stands still."""

    def status() -> list[str]:
        return [
            error
            for error in json.loads(ground.hcp("status", "--json").stdout)["errors"]
            if name(place) in error
        ]

    ground.wait(status, f"hcp status to name {name(place)} among its errors")
    found = ground.hcp("verify")
    assert found.exit_code == 1, found.output
    assert name(place) in found.stdout
    ground.wait(lambda: blocked(ground, place), "the metric hcp_partition_blocked to be 1")


def blocked(ground: Ground, place: Place) -> bool:
    """Whether the exporter says so of this partition."""
    topic, partition, _ = place
    lines = Client(create(ground.system.settings)).get("/metrics").text.splitlines()
    return any(
        line.startswith("hcp_partition_blocked{")
        and f'topic="{topic}"' in line
        and f'partition="{partition}"' in line
        and line.endswith(" 1.0")
        for line in lines
    )


def said_in_office(ground: Ground, words: str) -> list[str]:
    """The tables of people's decisions that hold these words."""
    tables = ground.system.ask(
        "select table_name from information_schema.tables where table_schema = 'office'"
    )
    return [
        table
        for (table,) in tables
        if ground.system.one(f"select count(*) from office.{table} t where t::text like :w", w=f"%{words}%")
    ]


def name(place: Place) -> str:
    return "/".join(map(str, place))
