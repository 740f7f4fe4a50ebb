"""The simulated county: the same for the same seed, valid, of realistic proportions, and whole however it is cut."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from producers.pace import Pace
from producers.simulation.arrival import Arrival
from producers.simulation.week import week
from schemas.codes import Channel
from schemas.events import CaseEvent, ReviewEvent
from schemas.reading import read

NOW = datetime(2026, 11, 23, 15, 30, tzinfo=UTC)
BEGAN = NOW - timedelta(days=7)
SEALED = "s1.test." + "A" * 30


def seal(event_id: str, name: str, phone: str, at: datetime) -> str:
    return SEALED


@pytest.fixture(scope="module")
def played() -> list[Arrival]:
    return week(1, BEGAN, BEGAN, NOW, seal)


def test_the_same_seed_gives_the_same_week_and_another_one_another(played: list[Arrival]) -> None:
    assert week(1, BEGAN, BEGAN, NOW, seal) == played
    assert week(2, BEGAN, BEGAN, NOW, seal) != played


def test_every_event_is_valid_when_it_arrives(played: list[Arrival]) -> None:
    for at, event, _ in played:
        body = msgspec.json.encode(replace(event, received_at=at))
        got = read(CaseEvent, body, at) if isinstance(event, CaseEvent) else read(ReviewEvent, body, at)
        assert (got.received_at, got.flags) == (at, ())


def test_proportions_are_those_of_a_county(played: list[Arrival]) -> None:
    cases = [a.event for a in played if isinstance(a.event, CaseEvent)]
    reviews = [a.event for a in played if isinstance(a.event, ReviewEvent)]
    sent = Counter(str(arrival.event.event_id) for arrival in played)
    bad = sum(event.satisfaction <= 2 for event in reviews) / len(reviews)
    served = {(case.case_no, case.service_no) for case in cases}
    assert 3_000 < len(served) < 8_000
    assert 0.01 <= bad <= 0.03
    assert 0.005 < sum(n > 1 for n in sent.values()) / len(sent) < 0.05, "some are sent twice"
    assert any(event.case_no is None for event in reviews), "some have no case"
    assert {event.channel for event in reviews} >= {
        Channel.TERMINAL,
        Channel.QR,
        Channel.APP,
        Channel.DEFAULT,
    }
    assert len({case.dept_code for case in cases}) >= 25


def test_some_reviews_come_before_their_case(played: list[Arrival]) -> None:
    here: set[tuple[str, int]] = set()
    early = 0
    for _, event, _ in played:
        if isinstance(event, CaseEvent):
            here.add((event.case_no, event.service_no))
        else:
            early += (event.case_no, event.service_no) not in here
    assert 50 < early < len(played) / 4


def test_nobody_real_is_in_it(played: list[Arrival]) -> None:
    named = [a.event for a in played if isinstance(a.event, ReviewEvent) and a.event.real_name]
    assert named
    assert {event.reviewer for event in named} == {SEALED}
    assert all(a.event.case_no is None or a.event.case_no.startswith("SIM1-") for a in played)


@given(cut=st.integers(0, 7 * 24 * 60))
@settings(max_examples=5, deadline=None)
def test_a_week_that_was_interrupted_is_the_week(played: list[Arrival], cut: int) -> None:
    at = BEGAN + timedelta(minutes=cut)
    parts = week(1, BEGAN, BEGAN, at, seal) + week(1, BEGAN, at, NOW, seal)
    assert parts == played


def test_pace_waits_between_records_and_makes_up_for_a_second_at_most() -> None:
    clock, slept = [0.0], []

    def sleep(seconds: float) -> None:
        slept.append(round(seconds, 3))
        clock[0] += seconds

    pace = Pace(10, lambda: clock[0], sleep)
    for _ in range(3):
        pace.wait()
    assert slept == [0.1, 0.1, 0.1]
    clock[0] += 100
    for _ in range(15):
        pace.wait()
    assert len(slept) > 3 + 3, "after a long stop it does not send a hundred seconds' worth at once"
    Pace(None, lambda: clock[0], sleep).wait()
