"""The load is what it says, by the project's own reader and rules."""

from datetime import UTC, datetime
from typing import Any

from pipeline.rules.fold import Arrival
from pipeline.rules.records import Entry, Place, key_of
from schemas.events import CaseEvent, ReviewEvent
from schemas.reading import Received, read
from schemas.topics import Stream
from tests.bench.load import Load, Sent

NOW = datetime(2026, 1, 1, tzinfo=UTC)
EVENTS = 20_000


def _arrival(record: Sent, offset: int) -> Arrival:
    kind: Any = CaseEvent if record.stream is Stream.CASE else ReviewEvent
    got: Received[Any] = read(kind, record.value, NOW)
    assert got.flags == ()
    entry: Entry[Any] = Entry(
        got.event, got.event_id, got.digest, got.received_at, Place(record.stream, 0, offset)
    )
    return Arrival(key_of(got.event, got.event_id), entry)


def test_the_load_says_what_is_in_it() -> None:
    load = Load(EVENTS)
    records = list(load)
    arrivals = [_arrival(record, n) for n, record in enumerate(records)]
    distinct = {(a.entry.event_id, a.entry.digest): a for a in arrivals}.values()
    cases = {a.key for a in distinct if isinstance(a.entry.event, CaseEvent)}
    reviews = [a for a in distinct if isinstance(a.entry.event, ReviewEvent)]
    must = load.must
    assert (must.cases, must.reviews) == (len(cases), len(reviews))
    assert must.duplicates == len(records) - len(distinct)
    assert must.orphans == sum(a.key not in cases for a in reviews)
    assert must.matched_services == sum(a.key in cases for a in reviews)
    assert must.bad == sum(a.entry.event.satisfaction <= 2 for a in reviews)
    assert 0 < must.matched_late < must.matched_services / 50
    assert abs(len(records) - EVENTS) < EVENTS * 0.02


def test_the_same_seed_gives_the_same_bytes_and_another_one_other_cases() -> None:
    assert list(Load(2_000, seed=3)) == list(Load(2_000, seed=3))
    assert {r.key for r in Load(2_000, seed=3)}.isdisjoint(r.key for r in Load(2_000, seed=4))


def test_some_reviews_come_before_their_cases() -> None:
    reviewed: set[bytes] = set()
    early = 0
    for record in Load(5_000):
        if record.stream is Stream.REVIEW:
            reviewed.add(record.key)
        else:
            early += record.key in reviewed
    assert early > 10
