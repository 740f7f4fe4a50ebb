"""Whose a service is: where one department says everything, as it was before; where others do, they change nothing."""

from collections.abc import Sequence
from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from pipeline.rules.ownership import NOBODYS, Decision, Version, owner_of, ownership
from pipeline.rules.records import Entry, Ownership, Place
from tests.strategies import cases, senders, times

versions = st.builds(
    lambda event, number, at, sender: Entry(
        event, str(event.event_id), f"{number:032}", at, Place("case", 0, number), (), None, sender
    ),
    cases, st.integers(0, 99), times, senders,
)  # fmt: skip
histories = st.lists(versions, min_size=1, max_size=6, unique_by=lambda version: version.place)


def greatest_holds(versions: Sequence[Version], _: Sequence[Decision] = ()) -> Ownership:
    """The rule of before; nobody could decide."""
    if not versions:
        return NOBODYS
    disputed = len({version.event.dept_code for version in versions}) > 1
    last = max(versions, key=lambda one: (one.received_at, one.event_id, one.digest))
    return Ownership(last, min(one.received_at for one in versions), disputed)


def of(version: Version, dept_code: str) -> Version:
    return replace(version, event=replace(version.event, dept_code=dept_code))


@given(histories)
def test_of_one_department_it_is_the_rule_of_before(history: list[Version]) -> None:
    ours = [of(version, "D1") for version in history]
    assert ownership(ours) == greatest_holds(ours)


@given(histories, versions)
def test_what_others_say_later_changes_nothing_but_the_dispute(
    history: list[Version], other: Version
) -> None:
    before = ownership(history)
    owner = owner_of(history)
    later = replace(
        of(other, "D9"), received_at=max(one.received_at for one in history), event_id="~", sender="/x"
    )
    after = ownership([*history, later])
    assert (after.current, after.received_at) == (before.current, before.received_at)
    assert after.disputed
    assert owner_of([*history, later]) == owner


@given(st.lists(versions, min_size=1, max_size=4, unique_by=lambda version: version.place))
def test_the_order_does_not_matter(history: list[Version]) -> None:
    assert all(ownership(order) == ownership(history) for order in permutations(history))
