"""What the ledger keeps under one service: the versions of its case record, its reviews, and what persons decided of it.

Structs of msgspec are made in a third of the time of data classes and named tuples, and each record needs five of them.
"""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Any, Generic, TypeVar

from msgspec import Struct

from schemas.codes import Channel
from schemas.events import CaseEvent, DecisionEvent, Event, ReviewEvent

E = TypeVar("E", CaseEvent, ReviewEvent, DecisionEvent)
FEW = 8
"""So many entries are compared one by one; of more an index is made."""

_BY_DEFAULT = Channel.DEFAULT


class Fate(StrEnum):
    """What became of a record: always one of these, and their sum is the number of records read."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    DEAD_LETTER = "dead_letter"
    SKIPPED = "skipped"


class Place(Struct, frozen=True, order=True, gc=False):
    """Where a record lies in the log."""

    topic: str
    partition: int
    offset: int


class Entry(Struct, Generic[E], gc=False):
    """One event as the ledger keeps it: of all its copies, the one received first (then the least place)."""

    event: E
    event_id: str
    digest: str
    received_at: datetime
    place: Place
    flags: tuple[str, ...] = ()
    sent_digest: str | None = None
    """SHA-256 of the JSON as a device sent it, if it counts its events: a link of the device's chain."""
    sender: str = ""
    """Who sent it, as our edge authenticated and signed it; empty if it did not."""

    def absorb(self, copy: "Entry[E]") -> None:
        """Take in another copy of the same event: the earliest copy counts, what is odd about any copy stays."""
        if (copy.received_at, copy.place) < (self.received_at, self.place):
            self.event, self.received_at, self.place = copy.event, copy.received_at, copy.place
            self.sent_digest, self.sender = copy.sent_digest, copy.sender
        if copy.flags != self.flags:
            self.flags = tuple(sorted({*self.flags, *copy.flags}))

    @property
    def is_default(self: "Entry[ReviewEvent]") -> bool:
        """Whether this review was given by system default, and by no citizen."""
        return self.event.channel is _BY_DEFAULT


class Key(Struct, frozen=True, order=True, gc=False):
    """A service's natural key; for a review without a case: no case number, and its event id."""

    case_no: str
    service_no: int
    event_id: str = ""


class Ownership(Struct, frozen=True, gc=False):
    """`current`: the version whose content holds; None if the case has not come (a placeholder). `received_at`: the least
    of all versions. `disputed`: there are versions of others than the owner.
    """

    current: Entry[CaseEvent] | None
    received_at: datetime | None
    disputed: bool


class Unseen(Struct, frozen=True, gc=False):
    """What is known of the records of a crowded key that a dossier does not hold (`pipeline.rules.crowd`).

    None of them is a leading review, the current version or the least one, and no record of the batch is a copy of them.
    `received_at` is that of all versions, as the ledger has it. `disputed`: some of them may be of others than the owner.
    """

    versions: int
    versions_passed: int
    received_at: datetime | None
    disputed: bool
    reviews: int
    reviews_on_time: int
    conflicts: int


class Many(Struct, gc=False):
    """Entries by what they are, so that the search for one does not grow with their number.

    `real`: the `review_no` of those that are no defaults.
    """

    known: dict[tuple[int, str, str], "AnyEntry"] = {}
    real: set[int] = set()

    @classmethod
    def of(cls, entries: "Iterable[AnyEntry]") -> "Many":
        """An index of these."""
        many = cls()
        for entry in entries:
            many.add(entry)
        return many

    def find(self, entry: "AnyEntry") -> "AnyEntry | None":
        """The same event, if it is here."""
        return self.known.get((_number(entry), entry.event_id, entry.digest))

    def add(self, entry: "AnyEntry") -> None:
        """One more."""
        number = _number(entry)
        self.known[number, entry.event_id, entry.digest] = entry
        if number and not entry.is_default:
            self.real.add(number)


def _number(entry: "AnyEntry") -> int:
    """`review_no`; 0 for a case record."""
    return entry.event.review_no if isinstance(entry.event, ReviewEvent) else 0


class Dossier(Struct, gc=False):
    """The records under one key: all of them, unless some are `unseen`.

    `decisions` are all there are. `case_no` is empty for a review of a place or person without a case; of such reviews only those are here that a record
    of the batch can change, and nothing is counted of the others. `held`: what the ledger says of the versions, if there
    are several.
    """

    key: Key
    cases: list[Entry[CaseEvent]] = []
    reviews: list[Entry[ReviewEvent]] = []
    decisions: list[Entry[DecisionEvent]] = []
    unseen: Unseen | None = None
    held: Ownership | None = None
    many_cases: Many | None = None
    many_reviews: Many | None = None

    @property
    def versions(self) -> int:
        """How many case records there are."""
        return len(self.cases) + (self.unseen.versions if self.unseen else 0)

    @property
    def review_records(self) -> int:
        """How many reviews there are."""
        return len(self.reviews) + (self.unseen.reviews if self.unseen else 0)

    def admit_case(self, entry: Entry[CaseEvent]) -> Fate:
        """Take in a case record; a version more is stored, the same again is a duplicate."""
        if len(self.cases) > FEW:
            return self._admit_among_many_cases(entry)
        return _take_in(self.cases, entry)

    def _admit_among_many_cases(self, entry: Entry[CaseEvent]) -> Fate:
        many = self.many_cases = self.many_cases or Many.of(self.cases)
        known = many.find(entry)
        if known is not None:
            known.absorb(entry)
            return Fate.DUPLICATE
        many.add(entry)
        self.cases.append(entry)
        return Fate.STORED

    def admit_review(self, entry: Entry[ReviewEvent]) -> Fate:
        """Take in a review. Of n different real ones one is stored and n − 1 are conflicts, whatever came first."""
        if len(self.reviews) > FEW:
            return self._admit_among_many_reviews(entry)
        rival = False
        for known in self.reviews:
            if known.event.review_no != entry.event.review_no:
                continue
            if known.digest == entry.digest and known.event_id == entry.event_id:
                known.absorb(entry)
                return Fate.DUPLICATE
            rival = rival or not known.is_default
        self.reviews.append(entry)
        return self._fate(entry, rival)

    def _admit_among_many_reviews(self, entry: Entry[ReviewEvent]) -> Fate:
        many = self.many_reviews = self.many_reviews or Many.of(self.reviews)
        known = many.find(entry)
        if known is not None:
            known.absorb(entry)
            return Fate.DUPLICATE
        rival = entry.event.review_no in many.real
        many.add(entry)
        self.reviews.append(entry)
        return self._fate(entry, rival)

    def admit_decision(self, entry: Entry[DecisionEvent]) -> Fate:
        """Take in what a person decided."""
        return _take_in(self.decisions, entry)

    def _fate(self, entry: Entry[ReviewEvent], rival: bool) -> Fate:
        contested = rival and not entry.is_default and bool(self.key.case_no)
        return Fate.CONFLICT if contested else Fate.STORED


AnyEntry = Entry[Any]
"""A case record, a review or a decision."""


def _take_in(entries: list[Entry[E]], entry: Entry[E]) -> Fate:
    """One more of them is stored, the same again is a duplicate."""
    for known in entries:
        if known.digest == entry.digest and known.event_id == entry.event_id:
            known.absorb(entry)
            return Fate.DUPLICATE
    entries.append(entry)
    return Fate.STORED


def key_of(event: Event, event_id: str) -> Key:
    """The key of the dossier that this event belongs to."""
    if event.case_no is None:
        return Key("", event.service_no, event_id)
    return Key(event.case_no, event.service_no)
