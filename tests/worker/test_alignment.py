"""Alignment: what is ahead in time waits for what is behind; nobody waits for what has no more."""

from hypothesis import given
from hypothesis import strategies as st

from pipeline.worker.alignment import Alignment

PARTITIONS = ("case-0", "case-1", "review-0", "review-1")


def test_before_anything_is_read_all_are_due() -> None:
    assert Alignment[str]().due(PARTITIONS, PARTITIONS, 0) == set(PARTITIONS)


def test_what_was_never_read_holds_all_that_were() -> None:
    alignment = Alignment[str]()
    alignment.read("case-0", 0, 10)
    assert alignment.due(PARTITIONS, PARTITIONS, 0) == {"case-1", "review-0", "review-1"}


def test_the_slowest_may_be_led_by_the_span_of_its_last_portion() -> None:
    alignment = Alignment[str]()
    for partition, last in zip(PARTITIONS, (100, 110, 111, 500), strict=True):
        alignment.read(partition, last - 10, last)
    assert alignment.due(PARTITIONS, PARTITIONS, 0) == {"case-0", "case-1"}


def test_a_partition_that_has_no_more_holds_nobody() -> None:
    alignment = Alignment[str]()
    alignment.read("case-0", 0, 10)
    alignment.read("review-0", 490, 500)
    assert alignment.due(PARTITIONS[:1] + PARTITIONS[2:3], ["review-0"], 0) == {"case-0", "review-0"}
    assert alignment.due(PARTITIONS, [], 0) == set(PARTITIONS)


def test_a_partition_that_is_far_ahead_waits_half_of_the_time_at_most() -> None:
    """A sender whose times lie far back, or ahead: its thousand records are no thousand times two seconds."""
    alignment = Alignment[str]()
    alignment.read("case-0", 1e9, 1e9 + 10)
    alignment.read("review-0", 0, 1)
    behind = ["review-0"]
    free = ["case-0" in alignment.due(PARTITIONS[::2], behind, tenths / 10) for tenths in range(10_000)]
    assert not any(free[:20])
    assert all(free[20:40])
    assert 0.45 < sum(free) / len(free) < 0.55


@given(
    reads=st.lists(st.tuples(st.sampled_from(PARTITIONS), st.integers(0, 10**6), st.integers(-10, 10**4))),
    lagging=st.sets(st.sampled_from(PARTITIONS)),
)
def test_something_that_lags_is_always_due(reads: list[tuple[str, int, int]], lagging: set[str]) -> None:
    alignment = Alignment[str]()
    for partition, first, span in reads:
        alignment.read(partition, first, first + span)
    due = alignment.due(PARTITIONS, lagging, 0)
    assert due & lagging if lagging else due == set(PARTITIONS)
