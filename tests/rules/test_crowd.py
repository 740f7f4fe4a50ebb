"""Of a crowded service the fold sees only what a record can change, and decides as if it saw everything."""

import copy
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from pipeline.rules import crowd, records
from pipeline.rules.crowd import Totals, unseen
from pipeline.rules.fold import Arrival, apply
from pipeline.rules.ownership import Owner, least, owner_of
from pipeline.rules.ranking import changes_sort, leading
from pipeline.rules.records import AnyEntry, Dossier, Fate, Key, Ownership
from pipeline.rules.settle import settle
from schemas.codes import Channel
from schemas.events import CaseEvent, DecisionEvent, ReviewEvent
from tests.model import modelled
from tests.rules.test_fold import POLICY, Memory, agree, shuffled
from tests.rules.test_settle import KEY, case, review
from tests.strategies import crowding


@pytest.fixture(autouse=True)
def _small() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(crowd, "WHOLE", 2)
        patch.setattr(records, "FEW", 1)
        yield


def who(entry: AnyEntry) -> tuple[Any, ...]:
    return getattr(entry.event, "review_no", 0), entry.event_id, entry.digest


def touched(entries: Iterable[AnyEntry], arriving: list[AnyEntry]) -> list[AnyEntry]:
    """Those that came again, and one other body of each event id."""
    ids = {who(entry) for entry in arriving}
    found = {who(entry): entry for entry in entries if who(entry) in ids}
    for number, event_id, digest in ids:
        others = [e for e in entries if who(e)[:2] == (number, event_id) and e.digest != digest]
        found |= {who(entry): entry for entry in others[:1]}
    return list(found.values())


def contenders(entries: list[AnyEntry], owner: Owner, arriving: list[AnyEntry]) -> list[AnyEntry]:
    """The greatest of this owner's versions and some of others, one more than there are copies."""
    n = 1 + len(set(map(who, entries)) & set(map(who, arriving)))
    greatest = sorted(entries, key=lambda e: (e.received_at, e.event_id, e.digest), reverse=True)
    return [e for e in greatest if owner.owns(e)][:n] + [e for e in entries if not owner.owns(e)][:n]


def followers(entries: list[AnyEntry], arriving: list[AnyEntry]) -> list[AnyEntry]:
    """The next of each sort, as many as leave theirs; none if no leading one does."""
    known = {who(entry): entry for entry in entries}
    leaving = {who(e) for e in arriving if who(e) in known and changes_sort(known[who(e)], e)}
    found: list[AnyEntry] = []
    if leaving & {who(entry) for entry in leading(entries)}:
        for _ in range(1 + len(leaving)):
            found += leading([entry for entry in entries if entry not in found])
    return found


class Forgetful(Memory):
    """A ledger that hands out of a crowded service what the real one hands out."""

    def fold(self, batch: list[Arrival]) -> None:
        held = {key: self.part(dossier, batch) for key, dossier in self.dossiers.items()}
        changes = apply(held, copy.deepcopy(batch), POLICY)
        self.count(changes)
        for change in changes.dossiers:
            self.keep(change.dossier)
            whole = self.dossiers[change.dossier.key]
            if whole.key.case_no:
                now = settle(whole, POLICY)
                assert change.crowd is None or change.crowd == crowd.crowd(whole, now, POLICY)
                assert (change.crowd is None) == (len(whole.cases) <= 2 and len(whole.reviews) <= 2)
                assert (change.dossier.versions, change.dossier.review_records) == (
                    len(whole.cases),
                    len(whole.reviews),
                )
                assert (change.settled.disputed, change.settled.received_at) == (
                    now.disputed,
                    now.received_at,
                )

    def keep(self, seen: Dossier) -> None:
        whole = self.dossiers.setdefault(seen.key, Dossier(seen.key))
        whole.cases = list({who(e): e for e in [*whole.cases, *seen.cases]}.values())
        whole.reviews = list({who(e): e for e in [*whole.reviews, *seen.reviews]}.values())
        whole.decisions = seen.decisions

    def part(self, dossier: Dossier, batch: list[Arrival]) -> Dossier:
        dossier = copy.deepcopy(dossier)
        if not dossier.key.case_no or not crowd.is_crowded(dossier):
            return dossier
        now = settle(dossier, POLICY)
        kept = crowd.crowd(dossier, now, POLICY)
        totals = Totals(len(dossier.cases), len(dossier.reviews), now.received_at, now.disputed, kept)
        arriving = [a.entry for a in batch if a.key == dossier.key]
        cases = touched(dossier.cases, [e for e in arriving if isinstance(e.event, CaseEvent)])
        cases += [least(dossier.cases)] if dossier.cases else []
        versions = [e for e in arriving if isinstance(e.event, CaseEvent)]
        decided = [*dossier.decisions, *(e for e in arriving if isinstance(e.event, DecisionEvent))]
        if versions or (decided and dossier.cases):
            totals = replace(totals, disputed=False)
            owners = [Owner(e.event.dept_code, "", decided=True) for e in decided]
            for owner in [owner_of([*dossier.cases, *versions]), *owners]:
                cases += contenders(dossier.cases, owner, versions)
                cases += [least(owned)] if (owned := [e for e in dossier.cases if owner.owns(e)]) else []
        arriving = [e for e in arriving if isinstance(e.event, ReviewEvent)]
        reviews = touched(dossier.reviews, arriving)
        reviews += [*leading(dossier.reviews), *followers(dossier.reviews, arriving)]
        part = Dossier(
            dossier.key,
            list({who(e): e for e in [*([now.current] if now.current else []), *cases]}.values()),
            list({who(e): e for e in reviews}.values()),
            dossier.decisions,
            held=Ownership(now.current, now.received_at, now.disputed) if len(dossier.cases) > 1 else None,
        )
        part.unseen = unseen(part, totals, POLICY)
        return part


@given(crowding(), st.data())
@settings(max_examples=400, deadline=None)
def test_what_is_not_seen_changes_nothing(history: list[Arrival], data: st.DataObject) -> None:
    memory = Forgetful()
    for batch in shuffled(data, history):
        memory.fold(batch)
    agree(memory, modelled(history))


def test_a_case_after_more_bad_reviews_than_are_seen_leaves_their_tickets_to_be_rerouted() -> None:
    memory = Forgetful()
    arrivals = [Arrival(KEY, review(level=1, event_id=str(n))) for n in range(4)]
    memory.fold(arrivals)
    for entry, moves in (
        (case(dept="D1"), True),
        (case(dept="D1", event_id="x"), False),
        (case(dept="D2", received=9), False),
        (case(dept="D2", received=-1), True),
    ):
        part = memory.part(memory.dossiers[KEY], [Arrival(KEY, entry)])
        (change,) = apply({KEY: part}, [Arrival(KEY, entry)], POLICY).dossiers
        assert change.reroutes is moves
        memory.keep(change.dossier)
    whole: dict[Key, Dossier] = {}
    (change,) = apply(whole, [*arrivals, Arrival(KEY, case())], POLICY).dossiers
    assert not change.reroutes, "all of them are here"


def test_among_many_a_rival_is_one_of_the_same_number_that_is_no_default() -> None:
    dossier = Dossier(KEY)
    fates = [
        dossier.admit_review(review(event_id=str(n), channel=channel, review_no=number))
        for n, (channel, number) in enumerate(
            [(Channel.DEFAULT, 1), (Channel.DEFAULT, 1), (Channel.DEFAULT, 1), (Channel.QR, 2), (Channel.QR, 1), (Channel.QR, 1)]
        )
    ]  # fmt: skip
    assert fates == [Fate.STORED] * 5 + [Fate.CONFLICT]
    assert dossier.admit_review(review(event_id="4")) is Fate.DUPLICATE
    assert [dossier.admit_case(case(event_id=e)) for e in "abcab"] == [Fate.STORED] * 3 + [Fate.DUPLICATE] * 2


def test_of_a_crowd_the_next_counts_when_the_first_turns_out_to_be_anothers() -> None:
    """A copy that was received earlier through another's link; nothing else of the crowd comes again."""
    memory = Forgetful()
    first, second, *others = [
        replace(review(received=2 + n, event_id=str(n)), sender="/qr") for n in range(5)
    ]
    memory.fold([Arrival(KEY, entry) for entry in (first, second, *others)])
    copied = replace(first, received_at=review(received=1).received_at, sender="/system/a")
    memory.fold([Arrival(KEY, copied)])
    effective = settle(memory.dossiers[KEY], POLICY).effective
    assert [entry.event_id for entry in effective] == [second.event_id]
