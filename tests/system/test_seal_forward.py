"""`hcp seal-forward` on real Kafka: each review once in the ledger, none of its identity in clear in the log that is kept."""

import json
import os
import subprocess
import sys
from threading import Event

import pytest
from kafka.admin import NewTopic

from pipeline import log
from pipeline.sealing import Sealer
from pipeline.settings import environment
from producers.errors import InputError
from producers.seal_forward import Forwarded, seal_forward
from schemas.topics import Stream
from tests.harness import System, review
from tests.system.test_canary import PEOPLE, seen
from tests.system.test_whole_way import read

pytestmark = pytest.mark.system
PERSON = PEOPLE["open"]


@pytest.fixture
def foreign(system: System) -> str:
    """A topic of the senders' own."""
    topic = f"{system.settings.kafka.topic_prefix}county.reviews"
    with log.admin(system.settings.kafka) as admin:
        admin.create_topics([NewTopic(topic, 2, 1)])
    return topic


def sent(system: System, topic: str, *values: bytes | None) -> None:
    for value in values:
        headers = [("x-phone", PERSON.phone.encode())]
        system.producer.send(topic, key=PERSON.phone.encode(), value=value, headers=headers).get(20)


def a_review(case_no: str) -> bytes:
    more = {"reviewer": PERSON._asdict(), "reviewer_mark": PERSON.phone, "citizen": PERSON.name}
    return json.dumps(review(case_no, 1, **more)).encode()


def forward(system: System) -> tuple[Forwarded, list[str]]:
    told: list[str] = []
    topic = f"{system.settings.kafka.topic_prefix}county.reviews"
    return seal_forward(system.settings, topic, told.append, Event(), once=True), told


def test_each_review_comes_once_and_sealed(system: System, foreign: str) -> None:
    sent(system, foreign, a_review("F1"), b"{ " + PERSON.phone.encode(), None, a_review("F2"))
    done, told = forward(system)
    assert done == Forwarded(2, 2)
    assert len(told) == 2
    assert all(PERSON.phone not in line and foreign in line for line in told)
    assert forward(system) == (Forwarded(0, 0), []), "the consumer group knows what is done"
    sent(system, foreign, a_review("F3"))
    env = {name: value for name, value in os.environ.items() if not name.startswith("HCP_")}
    ran = subprocess.run(
        [sys.executable, "-m", "deploy", "seal-forward", "--from", foreign, "--once"],
        env=env | environment(system.settings), capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert (ran.returncode, ran.stdout) == (0, "1 reviews forwarded, 0 records refused\n"), ran.stderr
    with system.worker():
        system.wait_until_caught_up()
    assert system.fates() == {"stored": 3}
    records = read(system, Stream.REVIEW)
    assert not any(seen(value) or seen(repr(headers).encode()) for headers, value in records)
    sealer = Sealer(system.settings.seal)
    reviews = system.ask("select event_id, reviewer, reviewer_mark from review")
    assert {sealer.open_reviewer(event, who).phone for event, who, _ in reviews} == {PERSON.phone}
    assert {mark for _, _, mark in reviews} == {sealer.mark(PERSON.phone)}


def test_what_is_forwarded_twice_counts_once(
    system: System, foreign: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crash between the acknowledgement and the commit."""
    sent(system, foreign, a_review("F1"), a_review("F2"))
    with monkeypatch.context() as crash:
        crash.setattr("kafka.KafkaConsumer.commit", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            forward(system)
    done, _ = forward(system)
    assert done == Forwarded(2, 0)
    first, second = (sorted(value for _, value in read(system, Stream.REVIEW))[at::2] for at in (0, 1))
    assert first == second, "the same bytes"
    with system.worker():
        system.wait_until_caught_up()
    assert system.fates() == {"stored": 2, "duplicate": 2}


def test_a_topic_of_ours_is_not_forwarded_to_itself(system: System) -> None:
    with pytest.raises(InputError, match="the senders' own"):
        seal_forward(system.settings, system.settings.kafka.topic(Stream.REVIEW), print, Event(), once=True)
