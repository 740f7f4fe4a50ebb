"""The running counters: what one settled dossier adds to the county's figures (`domain.md`, 4).

Everything here follows from the records alone. What depends on the time asked (pending, unreviewed, unmatched,
orphan) is told apart at query time from `unpaired` and from services not `reviewed`.
"""

from collections.abc import Mapping
from datetime import date, datetime
from typing import NamedTuple

from pipeline.rules.inspection import passed
from pipeline.rules.policy import Policy
from pipeline.rules.records import Dossier, Entry, Unseen
from pipeline.rules.routing import hinted_department
from pipeline.rules.settle import Settled
from schemas.events import CaseEvent, ReviewEvent

MEASURES = (
    "services", "reviewed", "disputed", "cases_on_time", "case_records", "cases_passed",
    "matched", "matched_late", "unpaired", "standalone",
    "level_1", "level_2", "level_3", "level_4", "level_5",
    "default_1", "default_2", "default_3", "default_4", "default_5",
    "follow_ups", "conflicts", "review_records", "reviews_on_time",
)  # fmt: skip
"""Services, and case records (all versions) that passed inspection; effective first reviews by outcome and by level (`default_*`: given by nobody); then review records."""

(
    SERVICES, REVIEWED, DISPUTED, CASES_ON_TIME, CASE_RECORDS, CASES_PASSED,
    MATCHED, MATCHED_LATE, UNPAIRED, STANDALONE,
    LEVEL_1, _, _, _, _, DEFAULT_1, _, _, _, _,
    FOLLOW_UPS, CONFLICTS, REVIEW_RECORDS, REVIEWS_ON_TIME,
) = range(len(MEASURES))  # fmt: skip
_OUTCOME = {"matched": MATCHED, "matched_late": MATCHED_LATE}


class CounterKey(NamedTuple):
    """What a counter is kept by: the local day of service (of submission without one), department, handling mode."""

    day: date
    dept_code: str
    handling_mode: str


Tally = dict[CounterKey, list[int]]


def tally(dossier: Dossier, settled: Settled, policy: Policy, into: Tally, sign: int) -> None:
    """Add (`sign` 1) or take away (−1) what this dossier stands for."""
    if not dossier.key.case_no:
        _tally_alone(dossier, policy, into, sign)
    elif settled.current is not None or dossier.reviews:  # else a decision has come before its case
        _tally_service(dossier, settled, policy, into, sign)


def _tally_alone(dossier: Dossier, policy: Policy, into: Tally, sign: int) -> None:
    for entry in dossier.reviews:
        counts = _counts(into, _review_key(entry, policy))
        if entry.event.review_no == 1:
            _count_first(counts, entry, STANDALONE, sign)
        else:
            counts[FOLLOW_UPS] += sign
        _count_record(counts, entry, policy, sign)


def _tally_service(dossier: Dossier, settled: Settled, policy: Policy, into: Tally, sign: int) -> None:
    counts = _counts(into, _key(settled, policy))
    if settled.current is not None:
        _count_service(counts, settled, policy, sign)
        _count_cases(counts, dossier.cases, sign)
    if dossier.unseen is not None:
        _count_unseen(counts, dossier.unseen, sign)
    if settled.first is not None:
        _count_first(counts, settled.first, _OUTCOME.get(settled.outcome or "", UNPAIRED), sign)
    if dossier.reviews:
        counts[FOLLOW_UPS] += sign * (len(settled.effective) - (settled.first is not None))
        for entry in dossier.reviews:
            _count_record(counts, entry, policy, sign)
            if not settled.counts(entry) and not entry.is_default:
                counts[CONFLICTS] += sign


def changed(tallies: Mapping[CounterKey, list[int]]) -> Tally:
    """Only those counters that change."""
    return {key: counts for key, counts in tallies.items() if any(counts)}


def _counts(into: Tally, key: tuple[date, str, str]) -> list[int]:
    counts: list[int] | None = into.get(key)  # type: ignore[call-overload]  # equals a named tuple, and is made faster
    if counts is None:
        counts = [0] * len(MEASURES)
        into[CounterKey(*key)] = counts
    return counts


def _key(settled: Settled, policy: Policy) -> tuple[date, str, str]:
    if settled.current is not None:
        event = settled.current.event
        return _day(event.served_at, policy), event.dept_code, event.handling_mode
    return _review_key(settled.first or settled.effective[0], policy)


def _review_key(entry: Entry[ReviewEvent], policy: Policy) -> tuple[date, str, str]:
    return _day(entry.event.submitted_at, policy), hinted_department(entry.event), ""


def _day(at: datetime, policy: Policy) -> date:
    return at.astimezone(policy.zone).date()


def _count_service(counts: list[int], settled: Settled, policy: Policy, sign: int) -> None:
    current, received_at = settled.current, settled.received_at
    if current is None or received_at is None:
        return
    counts[SERVICES] += sign
    if settled.open_since is None:
        counts[REVIEWED] += sign
    if settled.disputed:
        counts[DISPUTED] += sign
    if received_at - current.event.served_at <= policy.collection_limit:
        counts[CASES_ON_TIME] += sign


def _count_cases(counts: list[int], cases: list[Entry[CaseEvent]], sign: int) -> None:
    counts[CASE_RECORDS] += sign * len(cases)
    for case in cases:
        if passed(case.flags):
            counts[CASES_PASSED] += sign


def _count_unseen(counts: list[int], unseen: Unseen, sign: int) -> None:
    counts[CASE_RECORDS] += sign * unseen.versions
    counts[CASES_PASSED] += sign * unseen.versions_passed
    counts[REVIEW_RECORDS] += sign * unseen.reviews
    counts[REVIEWS_ON_TIME] += sign * unseen.reviews_on_time
    counts[CONFLICTS] += sign * unseen.conflicts


def _count_first(counts: list[int], entry: Entry[ReviewEvent], outcome: int, sign: int) -> None:
    counts[outcome] += sign
    counts[(DEFAULT_1 if entry.is_default else LEVEL_1) + entry.event.satisfaction - 1] += sign


def _count_record(counts: list[int], entry: Entry[ReviewEvent], policy: Policy, sign: int) -> None:
    counts[REVIEW_RECORDS] += sign
    if entry.received_at - entry.event.submitted_at <= policy.collection_limit:
        counts[REVIEWS_ON_TIME] += sign
