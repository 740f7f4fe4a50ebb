"""Order, duplication and batching do not matter: the fold agrees with the model, whatever comes, and however."""

import copy
from collections import Counter
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import astuple

from pipeline.rules.fold import Arrival, Changes, apply, reunite
from pipeline.rules.measures import MEASURES
from pipeline.rules.policy import Policy
from pipeline.rules.records import Dossier, Key
from pipeline.rules.settle import settle
from pipeline.rules.tickets import tickets
from tests.model import Model, modelled
from tests.strategies import histories

POLICY = Policy()


class Memory:
    """A ledger of dictionaries around the pure fold."""

    def __init__(self) -> None:
        self.dossiers: dict[Key, Dossier] = {}
        self.counters: Counter[str] = Counter()
        self.fates: Counter[str] = Counter()

    def fold(self, batch: list[Arrival]) -> None:
        changes = apply(self.dossiers, copy.deepcopy(batch), POLICY)
        self.dossiers |= {change.dossier.key: change.dossier for change in changes.dossiers}
        self.count(changes)

    def count(self, changes: Changes) -> None:
        for counts in changes.tally.values():
            self.counters.update(dict(zip(MEASURES, counts, strict=True)))
        for fates in changes.fates.values():
            self.fates.update({fate.value: n for fate, n in fates.items()})


def shuffled(data: st.DataObject, history: list[Arrival]) -> list[list[Arrival]]:
    """The history in any order, cut into any batches."""
    order = data.draw(st.permutations(history))
    cuts = sorted(data.draw(st.sets(st.integers(0, len(order)), max_size=4)) | {0, len(order)})
    return [list(order[a:b]) for a, b in pairwise(cuts)]


def nonzero(counter: Counter[str]) -> dict[str, int]:
    return {name: n for name, n in counter.items() if n}


def agree(memory: Memory, model: Model) -> None:
    assert nonzero(memory.counters) == nonzero(model.counters())
    assert nonzero(memory.fates) == nonzero(model.fates())
    opened = {}
    for key, dossier in memory.dossiers.items():
        settled = settle(dossier, POLICY)
        if key.case_no:
            assert settled.outcome == model.outcome((key.case_no, key.service_no, key.event_id))
            assert settled.open_since == model.open_since((key.case_no, key.service_no, key.event_id))
        for ticket in tickets(dossier, settled, POLICY).values():
            review = ticket.review
            opened[*astuple(key), review.event.review_no, review.event_id, review.digest] = (
                ticket.dept_code,
                ticket.opened_at,
            )
    assert opened == model.tickets()


@given(histories, st.data())
@settings(max_examples=400, deadline=None)
def test_any_order_and_any_batches_agree_with_the_model(history: list[Arrival], data: st.DataObject) -> None:
    memory = Memory()
    for batch in shuffled(data, history):
        memory.fold(batch)
    agree(memory, modelled(history))


@given(histories, st.data())
@settings(max_examples=150, deadline=None)
def test_the_same_again_changes_nothing_but_the_count_of_duplicates(
    history: list[Arrival], data: st.DataObject
) -> None:
    memory = Memory()
    memory.fold(history)
    counters = dict(memory.counters)
    memory.fold(list(data.draw(st.permutations(history))))
    assert nonzero(memory.counters) == nonzero(Counter(counters))
    agree(memory, modelled(history + history))


@given(histories)
@settings(max_examples=150, deadline=None)
def test_halves_that_were_settled_apart_are_reunited_as_if_they_had_met(history: list[Arrival]) -> None:
    """What the sweep repairs: cases folded without their reviews, reviews without their cases."""
    whole = Memory()
    whole.fold(history)
    apart_cases, apart_reviews = Memory(), Memory()
    apart_cases.fold([a for a in history if type(a.entry.event).__name__ != "ReviewEvent"])
    apart_reviews.fold([a for a in history if type(a.entry.event).__name__ == "ReviewEvent"])
    repaired = Memory()
    repaired.counters.update(apart_cases.counters)
    repaired.counters.update(apart_reviews.counters)
    for key in apart_cases.dossiers.keys() & apart_reviews.dossiers.keys():
        cases, reviews = apart_cases.dossiers[key], apart_reviews.dossiers[key]
        repaired.count(reunite(Dossier(key, cases.cases, reviews.reviews, cases.decisions), POLICY))
    assert nonzero(repaired.counters) == nonzero(whole.counters)
