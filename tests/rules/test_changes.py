"""What the ledger is told of a batch: under which keys it counts, and what it had of a dossier before."""

from datetime import date

from pipeline.rules.fold import Arrival, Change, Changes, ReviewState, apply, reunite, review_id
from pipeline.rules.measures import MEASURES, CounterKey
from pipeline.rules.policy import Policy
from pipeline.rules.records import AnyEntry, Dossier, Entry, Key, Place, key_of
from pipeline.rules.tickets import ticket_id
from schemas.catalogue import COUNTY_OFFICE
from schemas.codes import Channel
from schemas.events import ReviewEvent
from schemas.reading import digest
from tests.rules.test_settle import KEY, case, hour, review

POLICY = Policy()
AFTER_MIDNIGHT = 15.5
"""Hours after T0, when a new day has begun in the county and none in UTC."""


def standalone(event_id: str = "s", **said: str) -> Entry[ReviewEvent]:
    event = ReviewEvent(1, Channel.QR, hour(AFTER_MIDNIGHT), event_id, **said)  # type: ignore[arg-type]
    return Entry(event, event_id, digest(event), hour(AFTER_MIDNIGHT), Place("review", 0, 0))


def fold(held: dict[Key, Dossier], *entries: AnyEntry) -> Changes:
    return apply(held, [Arrival(key_of(entry.event, entry.event_id), entry) for entry in entries], POLICY)


def counted(changes: Changes) -> dict[CounterKey, dict[str, int]]:
    return {
        key: {name: n for name, n in zip(MEASURES, counts, strict=True) if n}
        for key, counts in changes.tally.items()
    }


def test_a_case_is_known_by_its_number_and_a_review_without_one_by_its_event() -> None:
    assert key_of(case().event, "c") == Key("A", 1, "")
    assert key_of(review().event, "r") == Key("A", 1, "")
    assert key_of(standalone().event, "s") == Key("", 1, "s")


def test_a_service_counts_on_its_local_day_under_the_department_and_mode_of_its_case() -> None:
    changes = fold({}, case(served=AFTER_MIDNIGHT, received=AFTER_MIDNIGHT), review())
    assert list(changes.tally) == [CounterKey(date(2026, 11, 3), "D1", "offline")]


def test_a_review_without_its_case_counts_on_its_own_day_under_the_department_it_hints_at() -> None:
    day = date(2026, 11, 3)
    assert list(fold({}, review(submitted=AFTER_MIDNIGHT)).tally) == [CounterKey(day, "", "")]
    assert list(fold({}, standalone(dept_code="D9")).tally) == [CounterKey(day, "D9", "")]


def test_a_follow_up_alone_counts_on_its_own_day() -> None:
    changes = fold({}, review(submitted=AFTER_MIDNIGHT, received=AFTER_MIDNIGHT, review_no=2))
    assert counted(changes) == {
        CounterKey(date(2026, 11, 3), "", ""): {"follow_ups": 1, "review_records": 1, "reviews_on_time": 1}
    }


def test_a_review_moves_from_the_department_it_hinted_at_to_that_of_its_case() -> None:
    early, late = review(level=1), case()
    held = {KEY: fold({}, early).dossiers[0].dossier}
    assert counted(fold(held, late)) == {
        CounterKey(date(2026, 11, 2), "", ""): {
            "unpaired": -1, "level_1": -1, "review_records": -1, "reviews_on_time": -1,
        },
        CounterKey(date(2026, 11, 2), "D1", "offline"): {
            "services": 1, "reviewed": 1, "cases_on_time": 1, "case_records": 1, "cases_passed": 1,
            "matched": 1, "level_1": 1, "review_records": 1, "reviews_on_time": 1,
        },
    }  # fmt: skip


def assert_was_open_at_the_county(change: Change, entry: Entry[ReviewEvent]) -> None:
    """It had a review with a ticket at the county's office; now a case has come, and the ticket is the department's."""
    ident = ticket_id(KEY, entry)
    assert change.new is False
    assert change.stored == {
        review_id(entry): ReviewState(entry.received_at, entry.place, (), effective=True)
    }
    assert {key: ticket.state for key, ticket in change.opened.items()} == {
        ident: (COUNTY_OFFICE, "county", entry.received_at)
    }
    assert change.tickets[ident].state == ("D1", "case", entry.received_at)


def test_a_new_dossier_had_nothing() -> None:
    (change,) = fold({}, review(level=1)).dossiers
    assert (change.new, change.stored, change.opened) == (True, {}, {})


def test_a_case_alone_has_no_tickets() -> None:
    assert fold({}, case()).dossiers[0].tickets == {}


def test_a_known_dossier_says_what_it_was_and_what_it_is() -> None:
    entry = review(level=1)
    held = {KEY: fold({}, entry).dossiers[0].dossier}
    (change,) = fold(held, case()).dossiers
    assert_was_open_at_the_county(change, entry)


def test_halves_that_are_reunited_say_what_the_review_was_alone() -> None:
    entry = review(level=1)
    changes = reunite(Dossier(KEY, [case()], [entry]), POLICY)
    (change,) = changes.dossiers
    assert_was_open_at_the_county(change, entry)
    assert changes.fates == {}
