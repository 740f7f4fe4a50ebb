"""Text as it is stored, in every field that holds some, however the sender wrote it."""

from typing import Any

import pytest

from schemas.events import CaseEvent, ReviewEvent
from schemas.reading import clean_text, digest, read
from tests.schemas.test_reading import APPENDED, case, review

CODES = ("case_no", "event_id", "hall_code", "window_code", "staff_id", "dept_code", "item_code")
OF_REVIEWS = (*CODES, "device_id", "reviewer_mark", "comment")
OF_CASES = (*CODES, "source", "item_name")
WRITTEN = [
    ("plain", "x1", "x1"),
    ("spaces around", " x1 ", "x1"),
    ("a space within", "x 1", "x 1"),
    ("a control that JSON escapes", "x\u00001", "x1"),
    ("a control that JSON does not escape", "x\u007f1", "x1"),
    ("a control beyond ASCII", "x\u00851", "x1"),
    ("in parts", "e\u0301", "é"),
    ("a space beyond ASCII", "\u3000好", "好"),
]


def field(kind: Any, value: bytes, name: str) -> Any:
    return getattr(read(kind, value, APPENDED).event, name)


@pytest.mark.parametrize(("written", "kept"), [row[1:] for row in WRITTEN], ids=[row[0] for row in WRITTEN])
def test_every_text_of_an_event_is_cleaned(written: str, kept: str) -> None:
    for name in OF_REVIEWS:
        assert field(ReviewEvent, review(**{name: written}), name) == kept, name
    for name in OF_CASES:
        assert field(CaseEvent, case(**{name: written}), name) == kept, name


@pytest.mark.parametrize(("written", "kept"), [row[1:] for row in WRITTEN], ids=[row[0] for row in WRITTEN])
def test_a_text_is_cleaned_whatever_the_others_are(written: str, kept: str) -> None:
    """A code with a space sends all texts the long way; one without lets the words be looked at alone."""
    for other in ("w", "w w", "窗"):
        assert field(ReviewEvent, review(comment=written, window_code=other), "comment") == kept
        assert field(CaseEvent, case(item_name=written, window_code=other), "item_name") == kept


def test_a_review_without_a_case_is_cleaned_as_well() -> None:
    got = read(ReviewEvent, review(case_no=..., window_code=" w\u0000", comment="\u00851"), APPENDED).event
    assert (got.case_no, got.window_code, got.comment) == (None, "w", "1")


def test_reasons_are_cleaned_where_they_could_need_it() -> None:
    written = ["1\u0000", "e\u0301", "3"]
    assert field(ReviewEvent, review(reason_codes=written), "reason_codes") == ["1", "é", "3"]
    assert field(ReviewEvent, review(reason_codes=["1\u007f"]), "reason_codes") == ["1"]
    assert field(ReviewEvent, review(reason_codes=["e\u0301"]), "reason_codes") == ["é"]
    assert field(ReviewEvent, review(reason_codes=[]), "reason_codes") == []


def test_what_may_be_empty_may_be_so_after_cleaning() -> None:
    for name in (
        "hall_code",
        "window_code",
        "staff_id",
        "dept_code",
        "device_id",
        "reviewer_mark",
        "comment",
    ):
        assert field(ReviewEvent, review(**{name: " "}), name) == ""
    for name in ("item_name", "hall_code", "window_code", "staff_id", "source"):
        assert field(CaseEvent, case(**{name: " "}), name) == ""


def test_line_ends_become_line_feeds() -> None:
    assert clean_text("a\r\nb\rc\nd\r\n") == "a\nb\nc\nd"


def test_a_digest_never_changes_so_that_a_replay_knows_its_events_again() -> None:
    said = read(ReviewEvent, review(reviewer={"phone": "1"}, received_at="2026-11-23T01:00:00Z"), APPENDED)
    assert said.digest == "72ce73958ba333886337eb60f8b88554"
    assert digest(said.event) == said.digest
    assert (said.event.received_at, said.event.reviewer) != (None, None), "it leaves the event as it was"
    assert said.event.received_at is not None
    done = read(CaseEvent, case(received_at="2026-11-23T01:00:00Z"), APPENDED)
    assert done.digest == "13a52d1af6ed54eddaf15f0e98e7efd3"
    assert done.event.received_at is not None
