"""What is noted of answers, and which answers no caller may get."""

import json
from typing import Any

import pytest

from tests.producers.gateway.noted import PROBLEM, Noted, together

PROBLEM_OF = {
    "type": "urn:hcp:problem:invalid_event",
    "title": "The event breaks the contract",
    "status": 422,
}


def noted(*answers: tuple[int, str, Any]) -> Noted:
    made = Noted()
    for status, media, document in answers:
        made.note(status, media, json.dumps(document).encode())
    return made


def test_events_that_were_taken_are_counted_alone_and_in_a_batch() -> None:
    taken = {"status": 202, "event_id": "a"}
    batch = {"results": [taken, {"status": 202, "event_id": "b", "seen_before": True}]}
    refused = {"results": [{"status": 202, "event_id": "c"}, {"status": 422, "problem": PROBLEM_OF}]}
    one = noted((202, "application/json", {"event_id": "a", "seen_before": False}))
    many = noted(
        (202, "application/json", batch), (207, "application/json", refused), (422, PROBLEM, PROBLEM_OF)
    )
    whole = together([one, many])
    assert whole.taken == {"a": 2, "c": 1}
    assert whole.again == {"b"}
    assert whole.statuses == {202: 2, 207: 1, 422: 1}


@pytest.mark.parametrize(
    ("status", "media", "document"),
    [
        (422, "application/json", PROBLEM_OF),
        (202, PROBLEM, {"event_id": "a"}),
        (422, PROBLEM, PROBLEM_OF | {"status": 400}),
        (422, PROBLEM, PROBLEM_OF | {"type": "about:blank"}),
        (207, "application/json", {"results": [{"status": 422, "problem": PROBLEM_OF | {"title": ""}}]}),
        (207, "application/json", {"results": [{"status": 303, "problem": PROBLEM_OF | {"status": 303}}]}),
    ],
)
def test_a_refusal_that_is_no_problem_is_found_out(status: int, media: str, document: Any) -> None:
    with pytest.raises(AssertionError):
        noted((status, media, document))
