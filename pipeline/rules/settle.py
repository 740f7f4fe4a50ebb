"""What is true of a service, from all its records: the same for any order and any number of their arrivals."""

from datetime import datetime

from msgspec import Struct

from pipeline.rules.ownership import owner_of, ownership
from pipeline.rules.policy import Policy
from pipeline.rules.ranking import effective
from pipeline.rules.records import AnyEntry, Dossier, Entry, Ownership
from pipeline.rules.window import Outcome, outcome
from schemas.events import CaseEvent, ReviewEvent


class Settled(Struct, gc=False):
    """The truth about one dossier.

    `current`, `received_at`, `disputed`: see `Ownership`. `first`: the effective first review. `effective`: every review that
    counts, follow-ups among them. `open_since`: since when the service or its review waits for the other; None if
    nothing waits.
    """

    current: Entry[CaseEvent] | None
    received_at: datetime | None
    first: Entry[ReviewEvent] | None
    effective: list[Entry[ReviewEvent]]
    disputed: bool
    outcome: Outcome | None
    open_since: datetime | None

    def counts(self, review: Entry[ReviewEvent]) -> bool:
        """Whether this review of the dossier is effective: one without a case always is."""
        if review.event.case_no is None:
            return True
        for entry in self.effective:  # noqa: SIM110  a generator costs five times as much, for every review
            if entry is review:
                return True
        return False


def settle(dossier: Dossier, policy: Policy) -> Settled:
    """Settle a dossier. Also flags events that share an id (`id_reused`). Pure but for those flags."""
    if len(dossier.cases) > 1 or len(dossier.reviews) > 1 or len(dossier.decisions) > 1:
        _flag_reused(dossier)
    owned = ownership(dossier.cases, dossier.decisions)
    if dossier.unseen is not None:
        owned = Ownership(
            owned.current,
            _least(owned.received_at, dossier.unseen.received_at),
            owned.disputed or dossier.unseen.disputed,
        )
    return _settle(dossier, owned, policy)


def settled_before(dossier: Dossier, policy: Policy) -> Settled:
    """What the ledger says of a dossier, before records are taken in: its own word, also where the rules have changed."""
    if dossier.held is None:
        return settle(dossier, policy)
    return _settle(dossier, dossier.held, policy)


def _settle(dossier: Dossier, owned: Ownership, policy: Policy) -> Settled:
    if not dossier.key.case_no:
        return Settled(None, None, None, dossier.reviews, disputed=False, outcome=None, open_since=None)
    first, counting = _settle_reviews(dossier)
    return Settled(
        owned.current,
        owned.received_at,
        first,
        counting,
        owned.disputed,
        _outcome(owned.current, owned.received_at, first, policy),
        _open(owned.current, first),
    )


def _settle_reviews(dossier: Dossier) -> tuple[Entry[ReviewEvent] | None, list[Entry[ReviewEvent]]]:
    """The effective first review, and all that are effective. Nearly always there is one review, and it is both."""
    reviews = dossier.reviews
    if not reviews:
        return None, []
    if len(reviews) == 1:
        return reviews[0] if reviews[0].event.review_no == 1 else None, [*reviews]
    owner = owner_of(dossier.cases, dossier.decisions).sender if dossier.cases else ""
    first, follow_up = (effective(reviews, number, owner) for number in (1, 2))
    return first, [entry for entry in (first, follow_up) if entry is not None]


def _least(one: datetime | None, other: datetime | None) -> datetime | None:
    return min((at for at in (one, other) if at is not None), default=None)


def _outcome(
    current: Entry[CaseEvent] | None,
    received_at: datetime | None,
    first: Entry[ReviewEvent] | None,
    policy: Policy,
) -> Outcome | None:
    if current is None or first is None or received_at is None:
        return None
    return outcome(
        current.event.served_at, received_at, first.event.submitted_at, first.received_at, policy.window
    )


def _open(current: Entry[CaseEvent] | None, first: Entry[ReviewEvent] | None) -> datetime | None:
    if current is None:
        return first.event.submitted_at if first else None
    reviewed = first is not None and not first.is_default
    return None if reviewed else current.event.served_at


def _flag_reused(dossier: Dossier) -> None:
    """The same event id with another body under one natural key is another event, and says so."""
    for entries in (dossier.cases, dossier.reviews, dossier.decisions):
        seen: dict[tuple[str, int], AnyEntry] = {}
        for entry in entries:
            review_no = entry.event.review_no if isinstance(entry.event, ReviewEvent) else 0
            twin = seen.setdefault((entry.event_id, review_no), entry)
            if twin is not entry:
                twin.flags = tuple(sorted({*twin.flags, "id_reused"}))
                entry.flags = tuple(sorted({*entry.flags, "id_reused"}))
