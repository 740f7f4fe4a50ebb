"""The contract's reader: every rule of it, and every reason for a dead letter."""

import json
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import reading
from schemas.events import REASONS, CaseEvent, Reason, Reviewer, ReviewEvent
from schemas.reading import MAX_BYTES, Invalid, clean_text, digest, read

APPENDED = datetime(2026, 11, 23, 2, tzinfo=UTC)
CASE = {
    "event_id": "e1",
    "case_no": "A1",
    "status": "completed",
    "item_code": "1" * 31,
    "dept_code": "116103260000000101",
    "handling_mode": "online",
    "served_at": "2026-11-23T09:00:00+08:00",
}
REVIEW = {
    "event_id": "e1",
    "case_no": "A1",
    "satisfaction": 1,
    "channel": "qr",
    "submitted_at": "2026-11-23T09:00:00+08:00",
}


def raw(body: Any) -> bytes:
    return json.dumps(body, ensure_ascii=False).encode()


def review(**changes: Any) -> bytes:
    return raw({name: value for name, value in (REVIEW | changes).items() if value is not ...})


def case(**changes: Any) -> bytes:
    return raw({name: value for name, value in (CASE | changes).items() if value is not ...})


REFUSED = [
    (b"nonsense", Reason.NOT_JSON),
    (b"13800001111 is my number", Reason.NOT_JSON),
    (b'{"satisfaction": "5", "x', Reason.NOT_JSON),
    (b"", Reason.NOT_JSON),
    (b'{"event_id": "\xff"}', Reason.NOT_JSON),
    (b'{"event_id": "\\ud800"}', Reason.NOT_JSON),
    (b'\xef\xbb\xbf{"event_id": "e1"}', Reason.NOT_JSON),
    (b'{"satisfaction": NaN}', Reason.NOT_JSON),
    (b'{"x": ' + b"[" * 20_000 + b"]" * 20_000 + b"}", Reason.NOT_JSON),
    (review() + review(), Reason.NOT_JSON),
    (b"[]", Reason.NOT_AN_OBJECT),
    (b'"text"', Reason.NOT_AN_OBJECT),
    (b"null", Reason.NOT_AN_OBJECT),
    (b"5", Reason.NOT_AN_OBJECT),
    (review(comment="字" * MAX_BYTES), Reason.TOO_LARGE),
    (review(satisfaction=...), Reason.MISSING_FIELD),
    (review(channel=...), Reason.MISSING_FIELD),
    (review(submitted_at=...), Reason.MISSING_FIELD),
    (review(event_id=...), Reason.MISSING_FIELD),
    (review(satisfaction="5"), Reason.WRONG_TYPE),
    (review(satisfaction=4.5), Reason.WRONG_TYPE),
    (review(satisfaction=True), Reason.WRONG_TYPE),
    (review(satisfaction=None), Reason.WRONG_TYPE),
    (review(case_no=17), Reason.WRONG_TYPE),
    (review(reason_codes="115"), Reason.WRONG_TYPE),
    (review(reason_codes=[115]), Reason.WRONG_TYPE),
    (review(reviewer=7), Reason.WRONG_TYPE),
    (review(submitted_at="2026-11-23 09:00:00"), Reason.WRONG_TYPE),
    (review(submitted_at="2026-11-23T09:00:00"), Reason.WRONG_TYPE),
    (review(submitted_at="yesterday"), Reason.WRONG_TYPE),
    (review(submitted_at=1_700_000_000), Reason.WRONG_TYPE),
    (review(satisfaction=0), Reason.OUT_OF_RANGE),
    (review(satisfaction=6), Reason.OUT_OF_RANGE),
    (review(satisfaction=10**30), Reason.OUT_OF_RANGE),
    (review(service_no=0), Reason.OUT_OF_RANGE),
    (review(service_no=100), Reason.OUT_OF_RANGE),
    (review(review_no=3), Reason.OUT_OF_RANGE),
    (review(case_no=""), Reason.OUT_OF_RANGE),
    (review(case_no=" \u0000 "), Reason.OUT_OF_RANGE),
    (review(case_no="A" * 65), Reason.OUT_OF_RANGE),
    (review(event_id="e" * 65), Reason.OUT_OF_RANGE),
    (review(reason_codes=["115"] * 17), Reason.OUT_OF_RANGE),
    (review(comment="字" * 2001), Reason.OUT_OF_RANGE),
    (review(device_seq=0), Reason.OUT_OF_RANGE),
    (review(device_seq=2**63), Reason.OUT_OF_RANGE),
    (review(device_seq=2**53 + 1, satisfaction=9), Reason.OUT_OF_RANGE),
    (review(device_prev="abc"), Reason.OUT_OF_RANGE),
    (review(channel="fax"), Reason.UNKNOWN_VALUE),
    (review(submitted_at="1999-12-31T23:59:59Z"), Reason.TIME_OUT_OF_RANGE),
    (review(submitted_at="2026-11-24T02:00:01Z"), Reason.TIME_OUT_OF_RANGE),
    (review(received_at="1999-12-31T23:59:59Z"), Reason.TIME_OUT_OF_RANGE),
]
REFUSED_CASES = [
    (case(case_no=...), Reason.MISSING_FIELD),
    (case(served_at=...), Reason.MISSING_FIELD),
    (case(status="lost"), Reason.UNKNOWN_VALUE),
    (case(handling_mode="线上"), Reason.UNKNOWN_VALUE),
    (case(area_code="61032"), Reason.OUT_OF_RANGE),
    (case(dept_code=""), Reason.OUT_OF_RANGE),
    (case(dept_code="1" * 19), Reason.OUT_OF_RANGE),
    (case(accepted_at="2030-01-01T00:00:00Z"), Reason.TIME_OUT_OF_RANGE),
]


@pytest.mark.parametrize(("value", "reason"), REFUSED)
def test_a_review_outside_the_contract_has_a_reason(value: bytes, reason: str) -> None:
    with pytest.raises(Invalid) as refused:
        read(ReviewEvent, value, APPENDED)
    assert refused.value.reason == reason


@pytest.mark.parametrize(("value", "reason"), REFUSED_CASES)
def test_a_case_outside_the_contract_has_a_reason(value: bytes, reason: str) -> None:
    with pytest.raises(Invalid) as refused:
        read(CaseEvent, value, APPENDED)
    assert refused.value.reason == reason


ELSEWHERE = {
    Reason.ID_MISMATCH,
    Reason.FOLD_ERROR,
    Reason.UNREADABLE,
    Reason.STEPPED_OVER,
    Reason.NOT_SIGNED,
}
"""Given by a header, and by the worker."""


def test_the_table_above_knows_every_reason_of_the_reader() -> None:
    assert {reason for _, reason in REFUSED} | ELSEWHERE == set(REASONS)


def test_no_message_repeats_what_was_sent() -> None:
    for value in (
        review(channel="13800001111"),
        review(satisfaction="13800001111"),
        review(case_no=["13800001111"]),
    ):
        with pytest.raises(Invalid) as refused:
            read(ReviewEvent, value, APPENDED)
        assert "13800001111" not in str(refused.value)


def test_the_header_and_the_body_must_name_the_same_event() -> None:
    assert read(ReviewEvent, review(event_id=...), APPENDED, ce_id="h1").event_id == "h1"
    assert read(ReviewEvent, review(), APPENDED, ce_id="e1").event_id == "e1"
    with pytest.raises(Invalid) as refused:
        read(ReviewEvent, review(), APPENDED, ce_id="other")
    assert refused.value.reason == Reason.ID_MISMATCH


def test_received_at_is_the_first_holders_and_never_in_the_future() -> None:
    earlier, later = "2026-11-23T01:30:00Z", "2026-11-23T02:00:01Z"
    assert read(ReviewEvent, review(), APPENDED).received_at == APPENDED
    assert read(ReviewEvent, review(received_at=earlier), APPENDED).received_at < APPENDED
    claimed = read(ReviewEvent, review(received_at=later), APPENDED)
    assert claimed.received_at == APPENDED
    assert claimed.flags == ("received_in_future",)
    resent = read(ReviewEvent, review(received_at=earlier), APPENDED, resent_at="2026-11-23T01:00:00Z")
    assert resent.received_at == datetime(2026, 11, 23, 1, tzinfo=UTC)


@pytest.mark.parametrize("header", ["soon", "2026-11-23T01:00:00"])
def test_a_header_that_is_no_time_is_refused(header: str) -> None:
    with pytest.raises(Invalid) as refused:
        read(ReviewEvent, review(), APPENDED, resent_at=header)
    assert refused.value.reason == Reason.WRONG_TYPE


def test_an_optional_null_is_absent_and_unknown_fields_do_not_matter() -> None:
    plain = read(ReviewEvent, review(case_no=...), APPENDED)
    nulls = read(ReviewEvent, review(case_no=None, comment=None, reason_codes=None, shoe_size=44), APPENDED)
    assert nulls.event.case_no is None
    assert nulls.digest == plain.digest


def test_text_is_stored_normalised_trimmed_and_without_control_characters() -> None:
    got = read(ReviewEvent, review(comment=" e\u0301té\u0000\r\n好\u0085 ", case_no=" A1 "), APPENDED).event
    assert got.comment == "\u00e9té\n好"
    assert got.case_no == "A1"


@given(st.text(max_size=50))
def test_clean_text_is_its_own_fixed_point(text: str) -> None:
    assert clean_text(clean_text(text)) == clean_text(text)


def test_the_digest_ignores_who_received_it_and_who_reviewed() -> None:
    one = read(ReviewEvent, review(reviewer={"phone": "1"}, received_at="2026-11-23T01:00:00Z"), APPENDED)
    two = read(ReviewEvent, review(), APPENDED + timedelta(hours=5))
    other = read(ReviewEvent, review(comment="x"), APPENDED)
    assert one.digest == two.digest == digest(two.event)
    assert other.digest != two.digest


@given(st.binary(max_size=200))
def test_any_bytes_are_an_event_or_have_a_reason(value: bytes) -> None:
    for attempt in (partial(read, CaseEvent), partial(read, ReviewEvent)):
        try:
            attempt(value, APPENDED)
        except Invalid as refused:
            assert refused.reason in REASONS


@pytest.mark.parametrize("offset", ["+16:00", "-16:00", "+23:59", "-23:59"])
def test_an_offset_of_no_place_on_earth_becomes_utc_the_same_instant(offset: str) -> None:
    at = f"2026-11-21T12:00:00{offset}"
    got = read(ReviewEvent, review(submitted_at=at, received_at=at), APPENDED)
    assert got.event.submitted_at == got.received_at == datetime.fromisoformat(at)
    assert got.event.submitted_at.tzinfo is got.received_at.tzinfo is UTC
    served = read(CaseEvent, case(served_at=at, accepted_at=at), APPENDED).event
    assert served.accepted_at is not None
    assert served.served_at.tzinfo is served.accepted_at.tzinfo is UTC


def test_an_offset_that_somebody_lives_by_stays() -> None:
    at = "2026-11-22T12:00:00-12:00"
    assert read(ReviewEvent, review(submitted_at=at), APPENDED).event.submitted_at.utcoffset() == timedelta(
        hours=-12
    )


@pytest.mark.parametrize(
    "odd",
    [
        {"promised_at": "3 working days"},
        {"promised_at": "2026-11-23 09:00:00", "source": None},
        {"promised_at": 3, "failed_rules": "none"},
        {"failed_rules": [1]},
        {"failed_rules": ["x"] * 17, "promised_at": None},
    ],
)
def test_a_field_that_the_contract_got_later_is_unknown_where_a_sender_means_another(
    odd: dict[str, Any],
) -> None:
    got = read(CaseEvent, case(**odd), APPENDED)
    assert (got.event, got.digest) == ((plain := read(CaseEvent, case(), APPENDED)).event, plain.digest)
    with pytest.raises(Invalid) as refused:
        read(CaseEvent, case(**odd, status="lost"), APPENDED)
    assert refused.value.reason == Reason.UNKNOWN_VALUE


def test_a_whole_number_is_an_integer_however_it_is_written() -> None:
    value = review(satisfaction=2.0, service_no=3.0, review_no=1e0, device_seq=7.0)
    got = read(ReviewEvent, value, APPENDED)
    assert (
        got.digest == read(ReviewEvent, review(satisfaction=2, service_no=3, device_seq=7), APPENDED).digest
    )
    assert read(CaseEvent, case(service_no=2.0), APPENDED).event.service_no == 2
    for odd in (1.5, 1e400, 1e30):
        with pytest.raises(Invalid):
            read(CaseEvent, case(service_no=odd), APPENDED)


def test_null_inside_the_reviewer_is_absent() -> None:
    got = read(ReviewEvent, review(reviewer={"name": None, "phone": "13800001111"}), APPENDED)
    assert got.event.reviewer == Reviewer(phone="13800001111")


def test_a_long_ce_id_is_refused_before_it_is_normalised(monkeypatch: pytest.MonkeyPatch) -> None:
    marks = "e" + "\u0301" * 30_000
    monkeypatch.setattr(reading, "nfc", None)
    with pytest.raises(Invalid, match="1 to 64 characters"):
        read(ReviewEvent, review(event_id=...), APPENDED, ce_id=marks)
    with pytest.raises(Invalid) as refused:
        read(ReviewEvent, review(), APPENDED, ce_id=marks)
    assert refused.value.reason == Reason.ID_MISMATCH


@pytest.mark.parametrize(
    ("seq", "flags"),
    [
        (1, ()),
        (2**53, ()),
        (float(2**53), ()),
        (2**53 + 1, ("device_seq_too_large",)),
        (2.0**60, ("device_seq_too_large",)),
        (2**63 - 1, ("device_seq_too_large",)),
    ],
)
def test_a_number_from_before_its_bound_is_read_and_flagged(seq: float, flags: tuple[str, ...]) -> None:
    got = read(ReviewEvent, review(device_seq=seq), APPENDED)
    assert (got.event.device_seq, got.flags) == (int(seq), flags)
    assert got.digest == read(ReviewEvent, review(device_seq=int(seq)), APPENDED).digest
    late = read(ReviewEvent, review(device_seq=seq, received_at="2026-11-28T00:00:00Z"), APPENDED)
    assert late.flags == tuple(sorted({*flags, *late.flags}))


def test_what_a_case_says_of_a_device_is_any_unknown_field() -> None:
    assert read(CaseEvent, case(device_seq=2**60), APPENDED).flags == ()
