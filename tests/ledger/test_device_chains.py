"""Chains of devices: whatever is lost, repeated, copied or re-installed is told, in whatever order it arrives."""

import json
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from pipeline.ledger.device_chains import DeviceChain, chains, holes
from pipeline.settings import Settings
from schemas.cloudevents import SENT_DIGEST
from schemas.topics import Stream
from tests.harness import review
from tests.ledger.test_fold import Ledger, portion_of

pytestmark = pytest.mark.system


@pytest.fixture
def made(ledger: Settings) -> Iterator[Ledger]:
    """An empty ledger."""
    one = Ledger(ledger)
    yield one
    one.connection.close()
    one.pool.dispose()


def chain(n: int, device: str = "T1") -> list[dict[str, Any]]:
    """What a device sends, in its order."""
    sent: list[dict[str, Any]] = []
    for seq in range(1, n + 1):
        event = review(None, device_id=device, device_seq=seq, window_code="A01", event_id=f"{device}-{seq}")
        if sent:
            event["device_prev"] = digest(sent[-1])
        sent.append(event)
    return sent


def digest(event: dict[str, Any]) -> str:
    return sha256(json.dumps(event).encode()).hexdigest()


def told(made: Ledger) -> list[DeviceChain]:
    with made.pool.connect() as connection:
        return chains(connection)


def faults(made: Ledger) -> list[tuple[str, int, int, int]]:
    return [(one.device_id, one.missing, one.forks, one.unlinked) for one in told(made)]


@given(st.data())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_missing_is_told_whatever_the_order_and_the_copies(made: Ledger, data: st.DataObject) -> None:
    made.clear()
    sent = chain(data.draw(st.integers(1, 7)))
    lost = data.draw(st.sets(st.sampled_from(range(len(sent))), max_size=len(sent) - 1))
    arrived = [event for n, event in enumerate(sent) if n not in lost]
    copies = data.draw(st.lists(st.sampled_from(arrived), max_size=3))
    order = data.draw(st.permutations([*arrived, *copies]))
    cut = data.draw(st.integers(0, len(order)))
    made.fold(portion_of(Stream.REVIEW, 0, *order[:cut]))
    made.fold(portion_of(Stream.REVIEW, cut, *order[cut:]))
    last = max(event["device_seq"] for event in arrived)
    (one,) = told(made)
    assert (one.last_seq, one.missing, one.forks, one.unlinked) == (
        last, len([n for n in lost if n + 1 < last]), 0, 0,
    )  # fmt: skip
    assert one.whole == (one.missing == 0)
    assert one.window_code == "A01"


def test_a_reinstalled_device_begins_again_and_shows_as_a_fork(made: Ledger) -> None:
    made.clear()
    again = [{**event, "event_id": f"again-{event['device_seq']}"} for event in chain(2)]
    again[1]["device_prev"] = digest(again[0])
    made.fold(portion_of(Stream.REVIEW, 0, *chain(3), *again, *chain(1, "T2")))
    assert faults(made) == [("T1", 0, 2, 0), ("T2", 0, 0, 0)]


def test_an_event_changed_on_the_way_is_not_what_the_next_one_names(made: Ledger) -> None:
    made.clear()
    first, second, third = chain(3)
    made.fold(portion_of(Stream.REVIEW, 0, {**first, "satisfaction": 4}, second, third))
    assert faults(made) == [("T1", 0, 0, 1)]


def test_a_first_event_names_none_and_a_later_one_must(made: Ledger) -> None:
    made.clear()
    first, second = chain(2)
    first["device_prev"] = "0" * 64
    del second["device_prev"]
    made.fold(portion_of(Stream.REVIEW, 0, first, second))
    assert faults(made) == [("T1", 0, 0, 2)]


def test_the_digest_of_what_was_sent_comes_from_the_gateways_header(made: Ledger) -> None:
    made.clear()
    first, second = chain(2)
    sealed = {**first, "received_at": first["submitted_at"]}
    portion = portion_of(Stream.REVIEW, 0, sealed, second)
    told_by_gateway = ((SENT_DIGEST, digest(first).encode()),)
    portion.records[0] = portion.records[0]._replace(headers=told_by_gateway)
    made.fold(portion)
    assert faults(made) == [("T1", 0, 0, 0)]


def test_reviews_of_devices_that_do_not_count_are_none_of_its_business(made: Ledger) -> None:
    made.clear()
    made.fold(portion_of(Stream.REVIEW, 0, review(None, device_id="T9", window_code="A01")))
    assert told(made) == []


NUMBERED = st.tuples(st.integers(1, 4), st.sampled_from([None, *"abc"]), st.sampled_from("abc"))
"""A number, the event that it names as the one before, the event that it is."""


@given(st.lists(NUMBERED, min_size=1, max_size=8, unique=True))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_mess_is_told_as_its_definition_says(
    made: Ledger, mess: list[tuple[int, str | None, str]]
) -> None:
    made.clear()
    with made.pool.begin() as connection:
        for place, (seq, prev, own) in enumerate(mess):
            row = {"seq": seq, "prev": prev and sha(prev).upper(), "own": sha(own), "place": place}
            connection.execute(INSERT, row)
    events = [(seq, prev and sha(prev), sha(own)) for seq, prev, own in mess]
    (one,) = told(made)
    numbers = {seq for seq, _, _ in events}
    branches = {seq: {own for number, _, own in events if number == seq} for seq in numbers}
    assert one.missing == max(numbers) - len(numbers)
    assert one.forks == sum(len(branches[seq]) > 1 for seq in numbers)
    assert one.unlinked == sum(not linked(seq, prev, branches) for seq, prev, _ in events)
    with made.pool.connect() as connection:
        gaps = holes(connection, ["T1"]).get("T1", [])
    absent = [number for first, last in gaps for number in range(first, last + 1)]
    assert absent == sorted(set(range(1, max(numbers))) - numbers)


def linked(seq: int, prev: str | None, branches: dict[int, set[str]]) -> bool:
    """A first event names none; a later one must, and it names one that is there if any of that number is."""
    if seq == 1 or prev is None:
        return (seq == 1) == (prev is None)
    return seq - 1 not in branches or prev in branches[seq - 1]


def sha(word: str) -> str:
    return sha256(word.encode()).hexdigest()


INSERT = text(
    "insert into review (case_no, service_no, review_no, event_id, digest, effective, satisfaction, channel, reason_codes,"
    ' submitted_at, received_at, device_id, device_seq, device_prev, real_name, topic, partition, "offset", sent_digest)'
    " values ('', 1, 1, :place, gen_random_uuid(), true, 5, 'terminal', '{}', now(), now(), 'T1', :seq, :prev, false,"
    " 'review', 0, :place, :own)"
)
