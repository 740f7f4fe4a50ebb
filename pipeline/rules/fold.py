"""One batch, decided: what the ledger holds under its keys, and the events, in; what changes, out. No SQL."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from uuid import UUID

from msgspec import Struct

from pipeline.rules.crowd import Crowd, apart, crowd, is_crowded
from pipeline.rules.measures import Tally, changed, tally
from pipeline.rules.policy import Policy
from pipeline.rules.records import AnyEntry, Dossier, Entry, Fate, Key, Place
from pipeline.rules.settle import Settled, settle, settled_before
from pipeline.rules.tickets import Ticket, tickets
from schemas.events import CaseEvent, ReviewEvent

ReviewId = tuple[int, str, str]
"""`review_no`, `event_id`, digest: which review under one service."""
VersionId = tuple[str, str]
"""`event_id`, digest: which case record, or which decision, under one service."""
FateCounts = dict[tuple[str, int], dict[Fate, int]]
"""(topic, partition) → how many records met which fate."""


_ORDER = attrgetter("case_no", "service_no", "event_id")
"""Of keys: faster than to compare them."""


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


class VersionState(Struct, frozen=True, gc=False):
    """What later records can still change about a stored version besides the current one, or about a decision."""

    received_at: datetime
    place: Place
    flags: tuple[str, ...]


class Change(Struct):
    """One touched dossier. `new`: the ledger has nothing of it yet.

    As the ledger has them: `was` (settled), `stored` (reviews), `versions` (those besides the current one), `decided`
    (decisions), `opened` (tickets). As they must be: `settled`, `tickets`, `crowd` (None unless the service is crowded).
    `reroutes`: tickets of reviews that the dossier does not hold belong to another department now.
    """

    dossier: Dossier
    new: bool
    was: Settled | None = None
    stored: dict[ReviewId, ReviewState] = {}
    versions: dict[VersionId, VersionState] = {}
    decided: dict[VersionId, VersionState] = {}
    opened: dict[UUID, Ticket] = {}
    settled: Settled = None  # type: ignore[assignment]  # set when the last event of the batch is in
    tickets: dict[UUID, Ticket] = {}
    crowd: Crowd | None = None
    reroutes: bool = False


@dataclass(slots=True)
class Changes:
    """What a batch does to the ledger: touched dossiers in the order of their keys, differences of counters, fates."""

    dossiers: list[Change]
    tally: Tally
    fates: FateCounts


def apply(
    held: Mapping[Key, Dossier], arrivals: Iterable[Arrival], policy: Policy, again: Iterable[Key] = ()
) -> Changes:
    """Fold these arrivals into what is held, and settle the dossiers under `again` anew.

    Takes over the dossiers in `held`; else pure.
    """
    differences: Tally = {}
    touched = {key: _begin(key, held[key], differences, policy) for key in again}
    fates: FateCounts = {}
    for arrival in arrivals:
        key, entry = arrival.key, arrival.entry
        change = touched.get(key)
        if change is None:
            change = touched[key] = _begin(key, held.get(key), differences, policy)
        count(fates, entry.place, _admit(change.dossier, entry))
    for change in touched.values():
        _finish(change, differences, policy)
    ordered = [touched[key] for key in sorted(touched, key=_ORDER)]
    return Changes(ordered, changed(differences), fates)


def count(fates: FateCounts, place: Place, fate: Fate, records: int = 1) -> None:
    """One record more (or so many) of this topic and partition met this fate."""
    counts = fates.get((place.topic, place.partition))
    if counts is None:
        counts = fates[place.topic, place.partition] = dict.fromkeys(Fate, 0)
    counts[fate] += records


def _admit(dossier: Dossier, entry: AnyEntry) -> Fate:
    if isinstance(entry.event, ReviewEvent):
        return dossier.admit_review(entry)
    if isinstance(entry.event, CaseEvent):
        return dossier.admit_case(entry)
    return dossier.admit_decision(entry)


def review_id(entry: Entry[ReviewEvent]) -> ReviewId:
    """Which review this is under its service."""
    return entry.event.review_no, entry.event_id, entry.digest


def review_state(entry: Entry[ReviewEvent], settled: Settled) -> ReviewState:
    """How the ledger must show this review now."""
    return ReviewState(entry.received_at, entry.place, entry.flags, settled.counts(entry))


def version_id(entry: AnyEntry) -> VersionId:
    """Which case record, or which decision, this is under its service."""
    return entry.event_id, entry.digest


def version_state(entry: AnyEntry) -> VersionState:
    """How the ledger must show this version now, if it is not the current one."""
    return VersionState(entry.received_at, entry.place, entry.flags)


def _begin(key: Key, dossier: Dossier | None, differences: Tally, policy: Policy) -> Change:
    """Take away what the dossier stood for, before the batch changes it."""
    if dossier is None:
        return Change(Dossier(key), new=True)
    was = settled_before(dossier, policy)
    tally(dossier, was, policy, differences, -1)
    stored = {review_id(entry): review_state(entry, was) for entry in dossier.reviews}
    decided = {version_id(entry): version_state(entry) for entry in dossier.decisions}
    return Change(
        dossier, False, was, stored, _versions(dossier, was), decided, tickets(dossier, was, policy)
    )


def _versions(dossier: Dossier, was: Settled) -> dict[VersionId, VersionState]:
    if len(dossier.cases) < 2:
        return {}
    return {version_id(e): version_state(e) for e in dossier.cases if e is not was.current}


def _decided(dossier: Dossier) -> dict[VersionId, VersionState]:
    if not dossier.decisions:
        return {}
    return {version_id(entry): version_state(entry) for entry in dossier.decisions}


def _finish(change: Change, differences: Tally, policy: Policy) -> None:
    """Add what it stands for now."""
    dossier = change.dossier
    settled = change.settled = settle(dossier, policy)
    tally(dossier, settled, policy, differences, 1)
    if dossier.reviews:
        change.tickets = tickets(dossier, settled, policy)
    if dossier.key.case_no and is_crowded(dossier):
        change.crowd = crowd(dossier, settled, policy)
        change.reroutes = _reroutes(change)


def _reroutes(change: Change) -> bool:
    """Whether reviews that are not here have tickets that go elsewhere now."""
    unseen, was, current = change.dossier.unseen, change.was, change.settled.current
    if unseen is None or not unseen.reviews or current is None or was is None:
        return False
    return was.current is None or was.current.event.dept_code != current.event.dept_code


def reunite(dossier: Dossier, policy: Policy) -> Changes:
    """Match a service and its reviews that were settled apart (the sweep found them). Takes over the dossier; else pure."""
    differences: Tally = {}
    unseen_cases, unseen_reviews = apart(dossier.unseen)
    cases = Dossier(
        dossier.key, dossier.cases, decisions=dossier.decisions, unseen=unseen_cases, held=dossier.held
    )
    reviews = Dossier(dossier.key, reviews=dossier.reviews, unseen=unseen_reviews)
    settled_cases, settled_reviews = settled_before(cases, policy), settle(reviews, policy)
    tally(cases, settled_cases, policy, differences, -1)
    tally(reviews, settled_reviews, policy, differences, -1)
    stored = {review_id(entry): review_state(entry, settled_reviews) for entry in dossier.reviews}
    opened = tickets(reviews, settled_reviews, policy)
    versions, decided = _versions(cases, settled_cases), _decided(dossier)
    change = Change(dossier, False, settled_reviews, stored, versions, decided, opened)
    _finish(change, differences, policy)
    return Changes([change], changed(differences), {})
