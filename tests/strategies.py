"""Arrivals as a hostile world sends them: few keys, so that they meet; few values, so that they repeat."""

from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st
from msgspec.structs import replace

from pipeline.rules.fold import Arrival
from pipeline.rules.records import AnyEntry, Entry, Place, key_of
from schemas.codes import Channel, HandlingMode, Status
from schemas.events import CaseEvent, DecisionEvent, Event, ReviewEvent
from schemas.reading import digest

T0 = datetime(2026, 11, 2, 1, tzinfo=UTC)
times = st.sampled_from([T0 + timedelta(hours=h) for h in (0, 1, 23, 24, 25, 30, 47, 48, 49, 100)])
event_ids = st.sampled_from(["e1", "e2", "e3", "e4"])
case_nos = st.sampled_from(["A", "B"])
places = st.builds(Place, st.sampled_from(["case", "review"]), st.integers(0, 1), st.integers(0, 50))
senders = st.sampled_from(["", "/qr", "/system/a", "/system/b"])
cases = st.builds(
    CaseEvent,
    case_no=case_nos,
    status=st.just(Status.COMPLETED),
    item_code=st.just("I"),
    dept_code=st.sampled_from(["D1", "D2"]),
    handling_mode=st.sampled_from(list(HandlingMode)),
    served_at=times,
    event_id=event_ids,
    service_no=st.integers(1, 2),
)
reviews = st.builds(
    ReviewEvent,
    satisfaction=st.integers(1, 5),
    channel=st.sampled_from([Channel.QR, Channel.TERMINAL, Channel.HOTLINE, Channel.DEFAULT]),
    submitted_at=times,
    event_id=event_ids,
    case_no=st.one_of(st.none(), case_nos, case_nos),
    service_no=st.integers(1, 2),
    review_no=st.integers(1, 2),
    dept_code=st.sampled_from(["", "D1"]),
)
decisions = st.builds(
    DecisionEvent,
    case_no=case_nos,
    dept_code=st.sampled_from(["D1", "D2", "D3"]),
    decided_by=st.just("li"),
    why=st.just("seen"),
    event_id=event_ids,
    service_no=st.integers(1, 2),
)


@st.composite
def arrivals(draw: st.DrawFn) -> Arrival:
    """One arrival; drawn again, the same event comes with another time of receipt and place."""
    event: Event = draw(st.one_of(cases, cases, reviews, reviews, decisions))
    event_id = str(event.event_id)
    flags = ("name_missing",) if isinstance(event, CaseEvent) and event.service_no == 2 else ()
    entry: AnyEntry = Entry(
        event, event_id, digest(event), draw(times), draw(places), flags, None, draw(senders)
    )
    return Arrival(key_of(event, event_id), entry)


def numbered(history: list[Arrival]) -> list[Arrival]:
    """At places of their own: which of two copies received at one moment counts must be certain."""
    for offset, arrival in enumerate(history):
        arrival.entry.place = replace(arrival.entry.place, offset=offset)
    return history


histories = st.lists(arrivals(), min_size=1, max_size=14).map(numbered)


hostile_ids = st.sampled_from(["e1", "E1", "_e", "é", "\uffee", "\U00010000"])
"""Another order by code points than by any language's rules."""
crowded_cases = st.builds(
    CaseEvent,
    case_no=st.just("A"),
    status=st.just(Status.COMPLETED),
    item_code=st.just("I"),
    dept_code=st.sampled_from(["D1", "D1", "D2"]),
    handling_mode=st.just(HandlingMode.ONLINE),
    served_at=times,
    event_id=hostile_ids,
    item_name=st.sampled_from(["", "x"]),
)
crowded_reviews = st.builds(
    ReviewEvent,
    satisfaction=st.sampled_from([1, 1, 2, 5]),
    channel=st.sampled_from([Channel.QR, Channel.QR, Channel.HOTLINE, Channel.DEFAULT]),
    submitted_at=times,
    event_id=hostile_ids,
    case_no=st.sampled_from(["A", "A", "A", "B", None]),
    review_no=st.sampled_from([1, 1, 1, 2]),
    dept_code=st.sampled_from(["", "D1"]),
)
crowded_decisions = st.builds(
    DecisionEvent,
    case_no=st.just("A"),
    dept_code=st.sampled_from(["D1", "D2", "D3"]),
    decided_by=st.just("li"),
    why=st.just("seen"),
    event_id=hostile_ids,
)


@st.composite
def crowding(draw: st.DrawFn) -> list[Arrival]:
    """Many records under few keys, with copies received earlier or later, of which some come after everything else."""
    kinds = st.one_of(crowded_reviews, crowded_reviews, crowded_cases, crowded_cases, crowded_decisions)
    events: list[Event] = draw(st.lists(kinds, min_size=8, max_size=18))
    copies = draw(st.lists(st.sampled_from(events), max_size=12))
    order = [*draw(st.permutations([*events, *copies[:6]])), *copies[6:]]
    return numbered([_arrive(draw, event) for event in order])


def _arrive(draw: st.DrawFn, event: Event) -> Arrival:
    event_id = str(event.event_id)
    odd = isinstance(event, CaseEvent) and not event.item_name
    flags = ("name_missing",) if odd else ()
    entry: AnyEntry = Entry(
        event, event_id, digest(event), draw(times), draw(places), flags, None, draw(senders)
    )
    return Arrival(key_of(event, event_id), entry)
