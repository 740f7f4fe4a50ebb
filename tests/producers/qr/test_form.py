"""The form: what is typed stays, what is wrong is named, and what comes of it keeps the contract."""

from datetime import UTC, datetime
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from producers.qr.form import MAX_COMMENT, Typed, mistakes, reasons_offered, review
from producers.tokens import CaseToken, Kind, Place
from schemas.codes import BAD_LEVELS, Channel, reason_codes, reason_flags
from schemas.events import Reviewer, ReviewEvent
from schemas.reading import read
from schemas.receipt import new_event_id

NOW = datetime(2026, 11, 23, 7, 20, tzinfo=UTC)
WINDOW = Place(
    token_id="t", kind=Kind.WINDOW, name="3号窗口", hall_code="H1", window_code="W03", dept_code="D"
)
CASE = CaseToken(token_id="c", case_no="MX1", service_no=2, channel=Channel.SMS, item_code="I")


def typed(**fields: Any) -> Typed:
    said = {"event_id": [new_event_id(NOW)], "level": ["1"]} | {k: [v] for k, v in fields.items()}
    return Typed.of(said, NOW)


anything = st.dictionaries(
    st.sampled_from(
        ["event_id", "review_no", "level", "reasons", "comment", "name", "phone", "id_number", "x"]
    ),
    st.lists(
        st.sampled_from(["", "1", "2", "5", "6", "115", "510", "999"]) | st.text(max_size=30), max_size=3
    ),
)


@given(anything, st.sampled_from([WINDOW, CASE]))
def test_whatever_is_sent_is_a_form_and_without_mistakes_an_event(
    fields: dict[str, list[str]], claims: Place | CaseToken
) -> None:
    form = Typed.of(fields, NOW)
    if mistakes(form):
        return
    event = review(form, claims, NOW)
    event.reviewer = None  # sealed before it is checked
    received = read(ReviewEvent, msgspec.json.encode(event), NOW)
    assert received.event_id == form.event_id
    assert reason_flags(tuple(received.event.reason_codes), received.event.satisfaction) == ()


def test_a_place_gives_a_review_without_a_case() -> None:
    event = review(typed(comment="排队太久"), WINDOW, NOW)
    assert (event.case_no, event.channel, event.window_code, event.hall_code) == (None, "qr", "W03", "H1")
    assert (event.dept_code, event.comment, event.submitted_at) == ("D", "排队太久", NOW)
    assert (event.real_name, event.reviewer) == (False, None)


def test_a_case_token_says_case_and_channel() -> None:
    event = review(typed(review_no="2"), CASE, NOW)
    assert (event.case_no, event.service_no, event.review_no) == ("MX1", 2, 2)
    assert (event.channel, event.item_code) == ("sms", "I")
    assert review(typed(review_no="2"), WINDOW, NOW).review_no == 1


def test_reasons_of_another_level_fall_away() -> None:
    form = Typed.of({"level": ["2"], "reasons": ["214", "115", "510", "214", "x"]}, NOW)
    assert form.reasons == ("214",)


def test_retired_reasons_are_not_offered() -> None:
    retired = {code for code, reason in reason_codes().items() if reason.retired}
    offered = {reason.code for reasons in reasons_offered().values() for reason in reasons}
    assert retired
    assert not retired & offered
    assert {level: len(reasons) for level, reasons in reasons_offered().items()} == dict.fromkeys(
        range(1, 6), 8
    )
    assert set(BAD_LEVELS) < reasons_offered().keys()


def test_mistakes_are_named_and_what_was_typed_stays() -> None:
    long = "长" * (MAX_COMMENT + 1)
    form = Typed.of({"comment": [long], "phone": ["12345"], "id_number": ["1"], "name": ["名" * 65]}, NOW)
    assert list(mistakes(form)) == ["level", "comment", "name", "phone", "id_number"]
    assert "2001" in mistakes(form)["comment"]
    assert (form.comment, form.phone, form.id_number) == (long, "12345", "1")
    assert mistakes(typed()) == {}


def test_who_can_be_reached_is_a_real_name() -> None:
    named = review(typed(name="张三", phone="138 0013 5678"), WINDOW, NOW)
    assert (named.real_name, named.reviewer) == (True, Reviewer("张三", "13800135678", ""))
    nameless = review(typed(name="张三"), WINDOW, NOW)
    assert (nameless.real_name, nameless.reviewer) == (False, Reviewer("张三", "", ""))


def test_an_id_of_somebody_elses_making_is_replaced() -> None:
    assert typed(event_id="019a0000-0000-7000-9000-000000000001").event_id != ""
    forged = "019a0000-0000-7000-9000-000000000001"
    assert typed(event_id=forged).event_id != forged
