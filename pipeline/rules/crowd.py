"""Crowded keys: a service with more records than are looked at one by one. What is kept of the others are their counts."""

from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from pipeline.rules.measures import (
    CASE_RECORDS,
    CASES_PASSED,
    CONFLICTS,
    REVIEW_RECORDS,
    REVIEWS_ON_TIME,
    Tally,
    tally,
)
from pipeline.rules.ownership import least
from pipeline.rules.policy import Policy
from pipeline.rules.ranking import leading
from pipeline.rules.records import Dossier, Entry, Unseen
from pipeline.rules.settle import Settled, settled_before
from schemas.events import CaseEvent

WHOLE = 16
"""A service with at most so many versions and at most so many reviews is read whole; one with more is crowded."""


class Crowd(Struct, frozen=True):
    """What the ledger keeps of a crowded service, besides the columns that every service has.

    `leading`: `review_no`, `event_id`, digest of each review that counts, or would with another owner
    (`pipeline.rules.ranking`). `least`: `event_id`, digest of the version that was received first. Then how many of all
    its reviews were received in time, how many are conflicts, and how many of its versions pass inspection.
    """

    leading: list[tuple[int, str, str]]
    least: tuple[str, str] | None
    reviews_on_time: int
    conflicts: int
    versions_passed: int


class Totals(Struct, frozen=True):
    """What the ledger says of all records of a crowded service. `received_at`: the least of all versions."""

    versions: int
    reviews: int
    received_at: datetime | None
    disputed: bool
    crowd: Crowd


def is_crowded(dossier: Dossier) -> bool:
    """Whether the ledger must keep a `Crowd` of it."""
    return dossier.unseen is not None or len(dossier.reviews) > WHOLE or len(dossier.cases) > WHOLE


def crowd(dossier: Dossier, settled: Settled, policy: Policy) -> Crowd:
    """What to keep of a settled dossier."""
    counts = _counts(dossier, settled, policy)
    return Crowd(
        sorted((one.event.review_no, one.event_id, one.digest) for one in leading(dossier.reviews)),
        _identity(least(dossier.cases)) if dossier.cases else None,
        counts[REVIEWS_ON_TIME],
        counts[CONFLICTS],
        counts[CASES_PASSED],
    )


def unseen(dossier: Dossier, totals: Totals, policy: Policy) -> Unseen:
    """What `totals` count and the dossier does not hold.

    The dossier must hold the current version, the least one and the leading reviews.
    """
    seen = _counts(dossier, settled_before(dossier, policy), policy)
    return Unseen(
        versions=totals.versions - seen[CASE_RECORDS],
        versions_passed=totals.crowd.versions_passed - seen[CASES_PASSED],
        received_at=totals.received_at,
        disputed=totals.disputed,
        reviews=totals.reviews - seen[REVIEW_RECORDS],
        reviews_on_time=totals.crowd.reviews_on_time - seen[REVIEWS_ON_TIME],
        conflicts=totals.crowd.conflicts - seen[CONFLICTS],
    )


def apart(both: Unseen | None) -> tuple[Unseen | None, Unseen | None]:
    """What is unseen of the versions, and what of the reviews."""
    if both is None:
        return None, None
    versions = replace(both, reviews=0, reviews_on_time=0, conflicts=0)
    return versions, replace(both, versions=0, versions_passed=0, received_at=None, disputed=False)


def _identity(version: Entry[CaseEvent]) -> tuple[str, str]:
    return version.event_id, version.digest


def _counts(dossier: Dossier, settled: Settled, policy: Policy) -> list[int]:
    """What it adds to the counters of its day and department."""
    counters: Tally = {}
    tally(dossier, settled, policy, counters, 1)
    (counts,) = counters.values()
    return counts
