"""A ticket's times are the county's working days, and its id is the same in every replay."""

from datetime import UTC, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from pipeline.rules.policy import Policy
from pipeline.rules.records import Dossier, Entry, Key
from pipeline.rules.settle import settle
from pipeline.rules.tickets import Ticket, ticket_id, tickets
from schemas.events import ReviewEvent
from tests.rules.test_settle import KEY, case, review

POLICY = Policy()
COUNTY = ZoneInfo("Asia/Shanghai")


def opened(received_at: datetime, *, with_case: bool = True) -> Ticket:
    """The ticket of one bad review received then."""
    entry = review(level=1)
    entry.received_at = received_at
    dossier = Dossier(KEY, [case()] if with_case else [], [entry])
    (ticket,) = tickets(dossier, settle(dossier, POLICY), POLICY).values()
    return ticket


def test_contact_is_due_in_one_working_day_and_rectification_in_five_by_the_countys_days() -> None:
    ticket = opened(datetime(2026, 11, 23, 16, 30, tzinfo=UTC))  # Tuesday already in the county
    assert ticket.contact_due_at == datetime(2026, 11, 25, 23, 59, 59, tzinfo=COUNTY)
    assert ticket.due_at == datetime(2026, 12, 1, 23, 59, 59, tzinfo=COUNTY)
    assert ticket.provisional is False


def test_a_limit_in_a_year_without_a_calendar_is_provisional() -> None:
    ticket = opened(datetime(2026, 12, 30, 2, tzinfo=UTC))
    assert ticket.contact_due_at.year == 2026
    assert ticket.provisional is True


def test_a_ticket_says_what_it_is_about_and_what_routed_it() -> None:
    ticket = opened(datetime(2026, 11, 23, 2, tzinfo=UTC))
    assert (ticket.key, ticket.dept_code, ticket.routed_by) == (KEY, "D1", "case")
    assert opened(ticket.opened_at, with_case=False).routed_by == "county"


def test_an_id_never_changes_so_that_a_replay_finds_its_ticket_again() -> None:
    entry: Entry[ReviewEvent] = review()
    entry.digest = "0" * 64
    assert ticket_id(KEY, entry) == UUID("6313d8e6-410f-5a82-9de4-5d1ea064a7db")


def test_two_reviews_that_differ_in_anything_have_two_tickets() -> None:
    one, follow_up, other_event, other_body = (
        review(),
        review(review_no=2),
        review(event_id="x"),
        review(),
    )
    follow_up.digest = other_event.digest = one.digest
    other_body.digest = "0" * 64
    ids = {ticket_id(KEY, entry) for entry in (one, follow_up, other_event, other_body)}
    ids |= {ticket_id(key, one) for key in (Key("B", 1), Key("A", 2))}
    assert len(ids) == 6
