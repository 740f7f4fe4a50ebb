"""What the ledger keeps under one service: the versions of its case record and its reviews.

Structs of msgspec are made in a third of the time of data classes and named tuples, and each record needs five of them.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any, Generic, TypeVar

from msgspec import Struct

from schemas.codes import Channel
from schemas.events import CaseEvent, ReviewEvent

E = TypeVar("E", CaseEvent, ReviewEvent)


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

    def absorb(self, copy: "Entry[E]") -> None:
        """Take in another copy of the same event: the earliest copy counts, what is odd about any copy stays."""
        if (copy.received_at, copy.place) < (self.received_at, self.place):
            self.event, self.received_at, self.place = copy.event, copy.received_at, copy.place
            self.sent_digest = copy.sent_digest
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


class Dossier(Struct, gc=False):
    """All records under one key. `case_no` is empty for a review of a place or person without a case."""

    key: Key
    cases: list[Entry[CaseEvent]] = []
    reviews: list[Entry[ReviewEvent]] = []

    def admit_case(self, entry: Entry[CaseEvent]) -> Fate:
        """Take in a case record; a version more is stored, the same again is a duplicate."""
        for known in self.cases:
            if known.digest == entry.digest and known.event_id == entry.event_id:
                known.absorb(entry)
                return Fate.DUPLICATE
        self.cases.append(entry)
        return Fate.STORED

    def admit_review(self, entry: Entry[ReviewEvent]) -> Fate:
        """Take in a review. Of n different real ones one is stored and n − 1 are conflicts, whatever came first."""
        rival = False
        for known in self.reviews:
            if known.event.review_no != entry.event.review_no:
                continue
            if known.digest == entry.digest and known.event_id == entry.event_id:
                known.absorb(entry)
                return Fate.DUPLICATE
            rival = rival or not known.is_default
        self.reviews.append(entry)
        contested = rival and not entry.is_default and bool(self.key.case_no)
        return Fate.CONFLICT if contested else Fate.STORED


AnyEntry = Entry[Any]
"""A case record or a review."""


def key_of(event: CaseEvent | ReviewEvent, event_id: str) -> Key:
    """The key of the dossier that this event belongs to."""
    if event.case_no is None:
        return Key("", event.service_no, event_id)
    return Key(event.case_no, event.service_no)
