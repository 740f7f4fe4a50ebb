"""What a sender is told of a record that is no event: the field and the rule, never the value; and where each rule ends."""

import json
from datetime import timedelta
from typing import Any

import pytest

from schemas.events import CaseEvent, Reason, ReviewEvent
from schemas.reading import AHEAD, MAX_BYTES, Invalid, any_json, read
from tests.schemas.test_reading import APPENDED, case, review

NO_JSON = "the value is not one well-formed JSON text in UTF-8"
TOO_EARLY_OR_LATE = "lies before the year 2000 or over a day ahead"
TOLD = [
    (review(satisfaction=...), "missing_field: satisfaction is missing"),
    (review(event_id=...), "missing_field: event_id is missing, and so is the header ce_id"),
    (b"nonsense", f"not_json: {NO_JSON}"),
    (b'{"event_id": "\\ud800"}', f"not_json: {NO_JSON}"),
    (b'{"satisfaction": "5", "x', f"not_json: {NO_JSON}"),
    (b"[]", "not_an_object: the value is JSON, but no object"),
    (review(channel="fax"), "unknown_value: channel has a value that the contract does not list"),
    (review(satisfaction=0), "out_of_range: satisfaction: expected `int` >= 1"),
    (review(satisfaction=10**30), "out_of_range: satisfaction: expected `int` <= 5"),
    (review(satisfaction="5"), "wrong_type: satisfaction: expected `int`"),
    (review(satisfaction=None), "wrong_type: satisfaction: expected `int`"),
    (review(reason_codes=["1", 115]), "wrong_type: reason_codes[1]: expected `str`"),
    (review(reason_codes=["1" * 65]), "out_of_range: reason_codes[0]: expected `str` of length <= 64"),
    (review(reviewer={"phone": 1}), "wrong_type: reviewer.phone: expected `str`"),
    (
        review(device_prev="abc"),
        "out_of_range: device_prev: expected `str` matching regex '^[0-9a-fa-f]{64}$'",
    ),
    (review(submitted_at="yesterday"), "wrong_type: submitted_at: invalid rfc3339 encoded datetime"),
    (
        review(submitted_at="2026-11-23T09:00:00"),
        "wrong_type: submitted_at: expected `datetime` with a timezone component",
    ),
    (review(case_no=" \u0000 "), "out_of_range: case_no is empty"),
    (review(event_id="  "), "out_of_range: event_id is empty"),
    (review(item_code=" "), "out_of_range: item_code is empty"),
    (review(submitted_at="1999-12-31T23:59:59Z"), f"time_out_of_range: submitted_at {TOO_EARLY_OR_LATE}"),
    (
        review(received_at="1999-12-31T23:59:59Z"),
        "time_out_of_range: received_at lies before the year 2000",
    ),
]
CASES_TOLD = [
    (case(served_at="1999-12-31T23:59:59Z"), f"time_out_of_range: served_at {TOO_EARLY_OR_LATE}"),
    (case(accepted_at="2026-11-24T02:00:01Z"), f"time_out_of_range: accepted_at {TOO_EARLY_OR_LATE}"),
    (case(case_no=" "), "out_of_range: case_no is empty"),
    (case(event_id=" "), "out_of_range: event_id is empty"),
    (case(item_code=" "), "out_of_range: item_code is empty"),
    (case(dept_code=" "), "out_of_range: dept_code is empty"),
    (case(status="lost", promised_at=3), "unknown_value: status has a value that the contract does not list"),
    (case(status=..., promised_at=3), "missing_field: status is missing"),
]


def told(kind: Any, value: bytes, **headers: str) -> str:
    with pytest.raises(Invalid) as refused:
        read(kind, value, APPENDED, **headers)
    assert str(refused.value) == f"{refused.value.reason}: {refused.value.message}"
    return str(refused.value)


@pytest.mark.parametrize(("value", "words"), TOLD)
def test_of_a_review_the_field_and_the_rule_are_told(value: bytes, words: str) -> None:
    assert told(ReviewEvent, value) == words


@pytest.mark.parametrize(("value", "words"), CASES_TOLD)
def test_of_a_case_the_field_and_the_rule_are_told(value: bytes, words: str) -> None:
    assert told(CaseEvent, value) == words


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({"ce_id": "x"}, "id_mismatch: the header ce_id and the body's event_id differ"),
        ({"resent_at": "soon"}, "wrong_type: the header hcp_received_at is no time"),
        ({"resent_at": "2026-11-23T01:00:00"}, "wrong_type: the header hcp_received_at has no offset"),
    ],
)
def test_of_a_header_its_name_and_the_rule_are_told(headers: dict[str, str], words: str) -> None:
    assert told(ReviewEvent, review(), **headers) == words


def test_a_header_names_the_event_in_1_to_64_characters_that_count() -> None:
    def named(ce_id: str) -> Any:
        got = read(ReviewEvent, review(event_id=...), APPENDED, ce_id)
        assert got.event.event_id == got.event_id
        return got.event_id

    assert (named(" h "), named("h" * 64), named("h\u0000")) == ("h", "h" * 64, "h")
    for wrong in ("", " ", "h" * 65):
        words = told(ReviewEvent, review(event_id=...), ce_id=wrong)
        assert words == "out_of_range: the header ce_id: expected 1 to 64 characters"
    assert read(ReviewEvent, review(event_id="é"), APPENDED, " e\u0301").event_id == "é", (
        "the same, once clean"
    )


def test_a_value_may_have_the_greatest_size_and_no_byte_more() -> None:
    def of(size: int) -> bytes:
        return review(padding="x" * (size - len(review(padding=""))))

    assert read(ReviewEvent, of(MAX_BYTES), APPENDED).event_id == "e1"
    assert told(ReviewEvent, of(MAX_BYTES + 1)) == "too_large: 65537 bytes, at most 65536 are allowed"


@pytest.mark.parametrize(
    ("at", "allowed"),
    [
        ("1999-12-31T23:59:59Z", False),
        ("2000-01-01T00:00:00Z", True),
        ((APPENDED + AHEAD).isoformat(), True),
        ((APPENDED + AHEAD + timedelta(seconds=1)).isoformat(), False),
    ],
)
def test_the_first_and_the_last_moment_are_allowed(at: str, allowed: bool) -> None:
    said: list[tuple[Any, bytes]] = [
        (ReviewEvent, review(submitted_at=at)),
        (CaseEvent, case(served_at=at)),
        (CaseEvent, case(accepted_at=at)),
    ]
    for kind, value in said:
        if allowed:
            assert read(kind, value, APPENDED).event_id == "e1"
        else:
            assert told(kind, value).endswith(TOO_EARLY_OR_LATE)


def test_a_record_received_at_the_first_moment_or_just_now_is_an_event() -> None:
    first = "2000-01-01T00:00:00Z"
    assert read(ReviewEvent, review(received_at=first, submitted_at=first), APPENDED).received_at.year == 2000
    now = read(ReviewEvent, review(received_at=APPENDED.isoformat()), APPENDED)
    assert (now.received_at, now.flags) == (APPENDED, ())


def test_any_json_is_what_it_says_or_has_a_reason() -> None:
    assert any_json(b'[1, {"a": null}]') == [1, {"a": None}]
    for value in (b"{", b'"\xff"', b"[" * 20_000):
        with pytest.raises(Invalid) as refused:
            any_json(value)
        assert (refused.value.reason, refused.value.message) == (Reason.NOT_JSON, NO_JSON)


def test_what_a_later_contract_added_is_read_where_it_is_right() -> None:
    at = "2026-11-23T09:00:00+08:00"
    got = read(CaseEvent, case(promised_at=at, failed_rules=["x"], source=None), APPENDED).event
    assert (json.loads(json.dumps(got.failed_rules)), got.source) == (["x"], "")
    assert got.promised_at is not None
    assert got.promised_at.isoformat() == at
    half = read(CaseEvent, case(promised_at=3, failed_rules=["x"]), APPENDED).event
    assert (half.promised_at, half.failed_rules) == (None, ["x"])
