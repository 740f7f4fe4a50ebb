"""One batch, decided: what the ledger holds under its keys, and the events, in; what changes, out. No SQL."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from msgspec import Struct

from pipeline.rules.measures import Tally, changed, tally
from pipeline.rules.policy import Policy
from pipeline.rules.records import AnyEntry, Dossier, Entry, Fate, Key, Place
from pipeline.rules.settle import Settled, settle
from pipeline.rules.tickets import Ticket, tickets
from schemas.events import CaseEvent, ReviewEvent

ReviewId = tuple[int, str, str]
"""`review_no`, `event_id`, digest: which review under one service."""
FateCounts = dict[tuple[str, int], dict[Fate, int]]
"""(topic, partition) → how many records met which fate."""


class Arrival(Struct, frozen=True, gc=False):
    """A valid record and the key of the dossier it belongs to."""

    key: Key
    entry: AnyEntry


class ReviewState(Struct, frozen=True, gc=False):
    """What later records can still change about a stored review."""

    received_at: datetime
    place: Place
    flags: tuple[str, ...]
    effective: bool


class Change(Struct):
    """One touched dossier. `stored`, `opened`: its reviews and tickets as the ledger has them; `new`: it has nothing yet."""

    dossier: Dossier
    new: bool
    stored: dict[ReviewId, ReviewState] = {}
    opened: dict[UUID, Ticket] = {}
    settled: Settled = None  # type: ignore[assignment]  # set when the last event of the batch is in
    tickets: dict[UUID, Ticket] = {}


@dataclass(slots=True)
class Changes:
    """What a batch does to the ledger: touched dossiers in the order of their keys, differences of counters, fates."""

    dossiers: list[Change]
    tally: Tally
    fates: FateCounts


def apply(held: Mapping[Key, Dossier], arrivals: Iterable[Arrival], policy: Policy) -> Changes:
    """Fold these arrivals into what is held. Takes over the dossiers in `held`; else pure."""
    touched: dict[Key, Change] = {}
    differences: Tally = {}
    fates: FateCounts = {}
    for arrival in arrivals:
        key, entry = arrival.key, arrival.entry
        change = touched.get(key)
        if change is None:
            change = touched[key] = _begin(key, held.get(key), differences, policy)
        dossier = change.dossier
        fate = (
            dossier.admit_case(entry) if isinstance(entry.event, CaseEvent) else dossier.admit_review(entry)
        )
        count(fates, entry.place, fate)
    for change in touched.values():
        _finish(change, differences, policy)
    ordered = [touched[key] for key in sorted(touched)]
    return Changes(ordered, changed(differences), fates)


def count(fates: FateCounts, place: Place, fate: Fate, records: int = 1) -> None:
    """One record more (or so many) of this topic and partition met this fate."""
    counts = fates.get((place.topic, place.partition))
    if counts is None:
        counts = fates[place.topic, place.partition] = dict.fromkeys(Fate, 0)
    counts[fate] += records


def review_id(entry: Entry[ReviewEvent]) -> ReviewId:
    """Which review this is under its service."""
    return entry.event.review_no, entry.event_id, entry.digest


def review_state(entry: Entry[ReviewEvent], settled: Settled) -> ReviewState:
    """How the ledger must show this review now."""
    return ReviewState(entry.received_at, entry.place, entry.flags, settled.counts(entry))


def _begin(key: Key, dossier: Dossier | None, differences: Tally, policy: Policy) -> Change:
    """Take away what the dossier stood for, before the batch changes it."""
    if dossier is None:
        return Change(Dossier(key), new=True)
    was = settle(dossier, policy)
    tally(dossier, was, policy, differences, -1)
    stored = {review_id(entry): review_state(entry, was) for entry in dossier.reviews}
    return Change(dossier, new=False, stored=stored, opened=tickets(dossier, was, policy))


def _finish(change: Change, differences: Tally, policy: Policy) -> None:
    """Add what it stands for now."""
    change.settled = settle(change.dossier, policy)
    tally(change.dossier, change.settled, policy, differences, 1)
    if change.dossier.reviews:
        change.tickets = tickets(change.dossier, change.settled, policy)


def reunite(dossier: Dossier, policy: Policy) -> Changes:
    """Match a service and a review that were settled apart (the sweep found them). Takes over the dossier; else pure."""
    differences: Tally = {}
    cases, reviews = Dossier(dossier.key, cases=dossier.cases), Dossier(dossier.key, reviews=dossier.reviews)
    settled_cases, settled_reviews = settle(cases, policy), settle(reviews, policy)
    tally(cases, settled_cases, policy, differences, -1)
    tally(reviews, settled_reviews, policy, differences, -1)
    stored = {review_id(entry): review_state(entry, settled_reviews) for entry in dossier.reviews}
    change = Change(dossier, new=False, stored=stored, opened=tickets(reviews, settled_reviews, policy))
    _finish(change, differences, policy)
    return Changes([change], changed(differences), {})
