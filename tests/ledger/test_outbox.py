"""What the fold tells the log: steps of tickets and dead letters, with the headers of a CloudEvent."""

import json
from importlib.metadata import version
from typing import Any

import msgspec
import pytest

from pipeline.ledger.decode import DeadLetter
from pipeline.ledger.outbox import dead_letter_row, headers_from, headers_json, ticket_rows
from pipeline.ledger.portion import Record
from pipeline.rules.fold import Change
from pipeline.rules.records import AnyEntry, Dossier, Place
from pipeline.rules.tickets import ticket_id
from schemas.codes import Channel
from schemas.events import TicketEvent, TicketReview
from tests.rules.test_changes import fold
from tests.rules.test_settle import KEY, case, hour, review


def change(*before: AnyEntry, then: AnyEntry) -> Change:
    """What one record more does to a dossier with these."""
    held = {KEY: fold({}, *before).dossiers[0].dossier} if before else dict[Any, Dossier]()
    return fold(held, then).dossiers[0]


def told(made: Change) -> list[tuple[TicketEvent, dict[str, Any]]]:
    """The events, and the row of each without its value."""
    return [(msgspec.json.decode(row.pop("value"), type=TicketEvent), row) for row in ticket_rows(made)]


def test_a_ticket_that_opens_is_told_whole() -> None:
    bad = review(submitted=1, received=2, level=1)
    bad.event.reason_codes = ["115"]
    made = change(case(received=3), then=bad)
    ((event, row),) = told(made)
    (ticket,) = made.tickets.values()
    assert event == TicketEvent(
        event_id=event.event_id, ticket_id=str(ticket_id(KEY, bad)), step="opened", state="new", dept_code="D1",
        due_at=ticket.due_at, opened_at=hour(2), at=hour(2), actor_role="system",
        review=TicketReview(1, Channel.QR, ["115"]),
    )  # fmt: skip
    headers = {name: (value or b"").decode() for name, value in headers_from(json.loads(row.pop("headers")))}
    assert headers["ce_id"] == event.event_id
    assert (headers["ce_subject"], headers["ce_time"]) == (event.ticket_id, hour(2).isoformat())
    assert (headers["ce_source"], headers["ce_type"]) == ("/worker", "cn.gov.meixian.hcp.ticket.v1")
    assert row == {"stream": "ticket.v1", "key": event.ticket_id.encode()}


def test_a_ticket_that_goes_to_another_department_is_told_at_the_time_of_its_case() -> None:
    made = change(review(received=2, level=1), then=case(received=30))
    ((event, _),) = told(made)
    assert (event.step, event.dept_code, event.at, event.opened_at) == ("rerouted", "D1", hour(30), hour(2))


def test_a_hint_that_changes_reroutes_at_the_time_of_the_review() -> None:
    """There is no case whose time it could have."""
    late, early = review(received=3, level=1), review(received=2, level=1)
    made = change(late, then=early)
    (ticket,) = made.tickets.values()
    made.tickets = {ticket.ticket_id: ticket._replace(dept_code="D7")}
    ((event, _),) = told(made)
    assert (event.step, event.dept_code, event.at) == ("rerouted", "D7", hour(2))


def test_a_copy_that_was_received_earlier_sets_the_date_anew() -> None:
    made = change(case(), review(received=9, level=2), then=review(received=2, level=2))
    ((event, _),) = told(made)
    assert (event.step, event.at, event.opened_at) == ("redated", hour(2), hour(2))


def test_what_changes_nothing_about_a_ticket_is_not_told() -> None:
    assert told(change(case(), review(level=1), then=review(received=5, level=1))) == []
    assert told(change(case(), then=review(level=3))) == []


def test_one_ticket_that_stands_does_not_silence_the_next() -> None:
    made = change(case(), review(level=1), then=review(level=2, event_id="z", review_no=2))
    assert [event.step for event, _ in told(made)] == ["opened"]
    assert len(made.tickets) == 2


def test_each_step_has_an_id_of_its_own_that_a_replay_finds_again() -> None:
    opened = change(then=review(received=9, level=1))
    again = change(then=review(received=9, level=1))
    rerouted = change(review(received=9, level=1), then=case())
    redated = change(review(received=9, level=1), then=review(received=2, level=1))
    other_date = change(review(received=9, level=1), then=review(received=3, level=1))
    other_dept = change(review(received=9, level=1), then=case(dept="D2"))
    ids = [told(made)[0][0].event_id for made in (opened, rerouted, redated, other_date, other_dept)]
    assert len(set(ids)) == 5
    assert told(again)[0][0].event_id == ids[0]


def test_a_steps_id_never_changes_so_that_nobody_takes_it_for_another() -> None:
    bad = review(level=1)
    bad.digest = "0" * 64
    assert told(change(then=bad))[0][0].event_id == "22ed9c80-b13d-54ff-9e73-0bbfc5957e88"


def test_a_dead_letter_goes_out_with_its_reason_and_its_place_and_the_rest_sealed() -> None:
    record = Record(7, 0, b"key", (("ce_id", b"e1"), ("hcp_reason", b"of a letter sent before")), b"{")
    letter = DeadLetter(record, Place("t", 2, 7), "not_json", "why 不", b"sealed", b"sealed too")
    row = dead_letter_row(letter, "then")
    headers = dict(headers_from(json.loads(row.pop("headers"))))
    assert headers == {
        "hcp_reason": b"not_json",
        "hcp_message": "why 不".encode(),
        "hcp_topic": b"t",
        "hcp_partition": b"2",
        "hcp_offset": b"7",
        "hcp_version": version("haochaping").encode(),
        "hcp_at": b"then",
        "hcp_around": b"sealed too",
    }
    assert row == {"stream": "dead-letter.v1", "key": None, "value": b"sealed"}


@pytest.mark.parametrize("headers", [[], [("a", b"\xff\x00"), ("a", None), ("名", b"")]])
def test_headers_come_back_as_they_were(headers: list[tuple[str, bytes | None]]) -> None:
    assert headers_from(json.loads(headers_json(headers))) == headers
