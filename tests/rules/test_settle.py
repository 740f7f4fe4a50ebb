"""The table of cases: window, versions, conflicts, defaults, routing."""

from datetime import datetime, timedelta

import pytest

from pipeline.rules.policy import Policy
from pipeline.rules.records import Dossier, Entry, Fate, Key, Place
from pipeline.rules.routing import route
from pipeline.rules.settle import Settled, settle
from pipeline.rules.tickets import tickets
from pipeline.rules.window import is_open, outcome
from schemas.catalogue import COUNTY_OFFICE
from schemas.codes import Channel, HandlingMode, Status
from schemas.events import CaseEvent, ReviewEvent
from schemas.reading import digest
from tests.strategies import T0

POLICY = Policy()
HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)
KEY = Key("A", 1)


def hour(n: float) -> datetime:
    return T0 + n * HOUR


def case(served: float = 0, received: float = 0, dept: str = "D1", event_id: str = "c") -> Entry[CaseEvent]:
    event = CaseEvent("A", Status.COMPLETED, "I", dept, HandlingMode.OFFLINE, hour(served), event_id)
    return Entry(event, event_id, digest(event), hour(received), Place("case", 0, 0))


def review(
    submitted: float = 1,
    received: float = 1,
    level: int = 5,
    event_id: str = "r",
    channel: Channel = Channel.QR,
    review_no: int = 1,
) -> Entry[ReviewEvent]:
    event = ReviewEvent(level, channel, hour(submitted), event_id, "A", review_no=review_no)
    return Entry(event, event_id, digest(event), hour(received), Place("review", 0, 0))


@pytest.mark.parametrize(
    ("served", "case_received", "submitted", "review_received", "expected"),
    [
        (0, 0, 1, 1, "matched"),
        (0, 25, 1, 1, "matched"),  # the limit counts from the later of both
        (0, 25.001, 1, 1, "matched_late"),
        (0, 0, 1, 25, "matched"),
        (0, 0, 1, 25.001, "matched_late"),
        (0, 0, 500, 501, "matched"),  # a review three weeks later, collected at once
        (30, 30, 0, 0, "matched"),  # a review long before the service
        (30, 54, 0, 0, "matched"),
        (30, 54.001, 0, 0, "matched_late"),
    ],
)
def test_the_window(
    served: float, case_received: float, submitted: float, review_received: float, expected: str
) -> None:
    got = outcome(hour(served), hour(case_received), hour(submitted), hour(review_received), POLICY.window)
    assert got == expected


def test_a_half_waits_for_exactly_the_window() -> None:
    assert is_open(hour(0), hour(24) - SECOND, POLICY.window)
    assert not is_open(hour(0), hour(24), POLICY.window)


def owned(*versions: Entry[CaseEvent]) -> tuple[str, bool]:
    """Whose content holds, and whether others say something."""
    settled = settle(Dossier(KEY, list(versions)), POLICY)
    assert settled.current is not None
    return settled.current.event_id, settled.disputed


def signed(entry: Entry[CaseEvent], sender: str) -> Entry[CaseEvent]:
    entry.sender = sender
    return entry


def test_a_correction_replaces_the_content_but_not_the_time_of_receipt() -> None:
    dossier = Dossier(KEY, [case(received=0), case(received=240, event_id="c2")], [review()])
    settled = settle(dossier, POLICY)
    assert settled.current is dossier.cases[1]
    assert settled.received_at == hour(0)
    assert settled.outcome == "matched"
    assert not settled.disputed


def test_a_version_of_another_department_is_kept_and_changes_nothing_but_the_dispute() -> None:
    assert owned(case(event_id="mine"), case(received=9, dept="D2", event_id="theirs")) == ("mine", True)


def test_the_owner_is_who_was_received_first_whatever_came_first() -> None:
    mine, theirs, fix = case(received=5), case(received=1, dept="D2", event_id="x"), case(9, 9, event_id="f")
    assert owned(mine, fix) == ("f", False)
    assert owned(mine, fix, theirs) == owned(theirs, fix, mine) == ("x", True)


def test_a_sender_corrects_its_own_department() -> None:
    first, fix = signed(case(), "/system/a"), signed(case(received=9, dept="D2", event_id="f"), "/system/a")
    other = signed(case(received=10, dept="D2", event_id="o"), "/system/b")
    assert owned(first, fix) == ("f", False)
    assert owned(first, fix, other) == ("f", True)


def test_two_senders_that_nobody_signed_are_not_the_same_one() -> None:
    assert owned(case(), case(received=9, dept="D2", event_id="o")) == ("c", True)


def test_of_copies_the_first_received_says_who_sent_it() -> None:
    first, again = signed(case(received=5), "/system/b"), signed(case(received=4), "/system/a")
    dossier = Dossier(KEY, [first, signed(case(received=9, dept="D2", event_id="f"), "/system/a")])
    assert dossier.admit_case(again) is Fate.DUPLICATE
    assert owned(*dossier.cases) == ("f", False)


def test_the_earliest_review_counts_and_the_others_are_conflicts() -> None:
    dossier = Dossier(KEY)
    assert dossier.admit_review(review(received=3, event_id="late")) is Fate.STORED
    assert dossier.admit_review(review(received=2, event_id="early", level=1)) is Fate.CONFLICT
    assert dossier.admit_review(review(received=2, event_id="early", level=1)) is Fate.DUPLICATE
    first = settle(dossier, POLICY).first
    assert first is not None
    assert first.event_id == "early"


def test_a_default_never_stands_in_the_way_of_a_real_review() -> None:
    dossier = Dossier(KEY, [case()])
    assert dossier.admit_review(review(received=1, event_id="d", channel=Channel.DEFAULT)) is Fate.STORED
    assert settle(dossier, POLICY).open_since == hour(0), "a default does not make a service reviewed"
    assert dossier.admit_review(review(received=9, event_id="real")) is Fate.STORED
    settled = settle(dossier, POLICY)
    assert settled.first is dossier.reviews[1]
    assert settled.open_since is None


def test_the_same_id_with_another_body_is_another_event_and_says_so() -> None:
    dossier = Dossier(KEY)
    dossier.admit_review(review(level=1))
    dossier.admit_review(review(level=2))
    settle(dossier, POLICY)
    assert [entry.flags for entry in dossier.reviews] == [("id_reused",), ("id_reused",)]


def test_two_bodies_of_a_case_under_one_id_are_two_events_too() -> None:
    dossier = Dossier(KEY, [case(dept="D1"), case(dept="D2")])
    settle(dossier, POLICY)
    assert [entry.flags for entry in dossier.cases] == [("id_reused",), ("id_reused",)]


def test_a_follow_up_may_bear_the_id_of_its_review_and_other_ids_are_not_reused() -> None:
    dossier = Dossier(KEY, [], [review(), review(review_no=2), review(event_id="x")])
    settle(dossier, POLICY)
    assert [entry.flags for entry in dossier.reviews] == [(), (), ()]


def test_a_review_without_a_case_is_effective_waits_for_nothing_and_disputes_nothing() -> None:
    alone = review()
    settled = settle(Dossier(Key("", 1, "r"), [], [alone]), POLICY)
    assert settled == Settled(None, None, None, [alone], disputed=False, outcome=None, open_since=None)


def test_every_bad_review_has_its_ticket_also_a_conflict_and_a_follow_up() -> None:
    bad = [
        review(level=1, event_id="a"),
        review(level=2, event_id="b"),
        review(level=1, event_id="c", review_no=2),
    ]
    dossier = Dossier(KEY, [case()], [*bad, review(level=3, event_id="d")])
    opened = tickets(dossier, settle(dossier, POLICY), POLICY)
    assert {ticket.review.event_id for ticket in opened.values()} == {"a", "b", "c"}
    assert {ticket.dept_code for ticket in opened.values()} == {"D1"}


def test_a_ticket_goes_to_the_case_then_to_the_hint_then_to_the_county() -> None:
    plain = ReviewEvent(1, Channel.QR, T0)
    assert route(case(), ReviewEvent(1, Channel.QR, T0, dept_code="D9")) == ("D1", "case")
    assert route(None, ReviewEvent(1, Channel.QR, T0, dept_code="D9")) == ("D9", "hint")
    assert route(None, ReviewEvent(1, Channel.QR, T0, item_code="9" * 18 + "0" * 13)) == ("9" * 18, "hint")
    assert route(None, ReviewEvent(1, Channel.QR, T0, item_code="9" * 30)) == (COUNTY_OFFICE, "county")
    assert route(None, plain) == (COUNTY_OFFICE, "county")


def test_a_review_that_waits_for_its_case_is_disputed_by_nobody() -> None:
    settled = settle(Dossier(KEY, reviews=[review()]), POLICY)
    assert (settled.current, settled.received_at, settled.disputed) == (None, None, False)
