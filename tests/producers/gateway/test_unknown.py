"""Unknown fields: kept behind what the gateway made; nothing that the contract names comes in through them."""

import json
import re
from datetime import UTC, datetime
from typing import Any
from unicodedata import normalize

import msgspec
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from producers.gateway.unknown import PERSONAL, with_unknown
from producers.imports.known import known
from producers.imports.paper import form
from producers.tokens import Kind, Place, new_id
from schemas.events import CaseEvent, ReviewEvent
from schemas.identifiers import uuid7
from schemas.reading import MAX_BYTES, Invalid, read
from tests.harness import case, review
from tests.producers.gateway.house import SYSTEM, House, ce_headers, envelope
from tests.producers.gateway.test_events import BATCH, BINARY, STRUCTURED, at_window, post, problem

FINITE = st.recursive(
    st.none()
    | st.booleans()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.integers()
    | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=12).filter(lambda name: not is_personal(name)), inner, max_size=4)
    ),
    max_leaves=20,
)
EXTRA: dict[str, Any] = {"x_window_light": "绿", "ticket": {"no": 17, "wait": [1, 2.50, None]}, "": False}


def body_of(event: dict[str, Any], form: str) -> bytes:
    told: Any = {BINARY: event, STRUCTURED: envelope(event), BATCH: [envelope(event)]}[form]
    return json.dumps(told).encode()


def made(event: dict[str, Any], sent: bytes) -> dict[str, Any]:
    """A review's value, `event` being what the gateway made of `sent`."""
    kept: dict[str, Any] = json.loads(with_unknown(json.dumps(event).encode(), ReviewEvent, sent))
    return kept


@pytest.mark.parametrize("form", [BINARY, STRUCTURED, BATCH])
@pytest.mark.parametrize("kind", ["review", "case"])
def test_what_a_device_says_beyond_the_contract_is_kept_behind_the_rest(
    gateway: House, kind: str, form: str
) -> None:
    event = at_window() if kind == "review" else case("C1")
    headers = ce_headers(event) if form == BINARY else {}
    device = "terminal-1" if kind == "review" else SYSTEM
    assert post(gateway, body_of(EXTRA | event, form), form, device, **headers).status_code == 202
    (kept,) = gateway.values()
    assert list(kept)[-len(EXTRA) :] == list(EXTRA)
    assert kept | EXTRA == kept
    assert kept["case_no"] == "C1"
    assert "received_at" in kept


def test_numbers_stay_as_they_were_written(gateway: House) -> None:
    event = at_window()
    body = json.dumps(event).encode()[:-1] + b', "weight": 1.10000000000000000003, "far": 1e400}'
    assert post(gateway, body, BINARY, **ce_headers(event)).status_code == 202
    assert gateway.rows()[0].record.value.endswith(b',"weight":1.10000000000000000003,"far":1e400}')


REVIEWER = b'{"phone": "13800001111"}'


@pytest.mark.parametrize(
    "name",
    [
        b"reviewer",
        b"\\u0072eviewer",
        b"Reviewer",
        b"REVIEWER ",
        b"re-viewer",
        b"re\\u200bviewer",
        b"\\uff52eviewer",
        b"reviewer_mark",
        b"reviewerMark",
        b"phone",
        b"idNumber",
        b"received_at",
        b"Received_At",
        b"satisfaction",
        b"caseNo",
    ],
    ids=bytes.decode,
)
@pytest.mark.parametrize("said", [REVIEWER, b"null", b"7"], ids=["identity", "null", "number"])
def test_no_name_of_the_contract_comes_back_in_any_spelling(name: bytes, said: bytes) -> None:
    sent = b'{"satisfaction": 5, "' + name + b'": ' + said + b', "more": 1, "' + name + b'": ' + said + b"}"
    assert made({"satisfaction": 4}, sent) == {"satisfaction": 4, "more": 1}


@pytest.mark.parametrize("said", ['"reviewer"', '"\\u0072eviewer"', '"Reviewer"', '"phone"'])
@pytest.mark.parametrize("kind", ["review", "case"])
def test_no_clear_identity_reaches_the_spool_beside_the_sealed_one(
    gateway: House, kind: str, said: str
) -> None:
    event = at_window(reviewer={"phone": "13800001111"}) if kind == "review" else case("C1")
    more = f', "more": 1, {said}: {{"phone": "13800001111"}}}}'
    body = (json.dumps(event)[:-1] + more).encode()
    device = "terminal-1" if kind == "review" else SYSTEM
    assert post(gateway, body, BINARY, device, **ce_headers(event)).status_code == 202
    (row,) = gateway.rows()
    assert b"13800001111" not in row.record.value
    assert row.record.value.endswith(b',"more":1}')


@pytest.mark.parametrize(
    "name",
    [
        "phone", "mobile", "idCardNo", "Cert-No", "手机号", "姓名", "userName",
        "certkeyGOV", "userMobile", "contactTel", "applicant_phone", "LXDH", "sfzh", "申请人联系电话", "证件号码",
    ],
)  # fmt: skip
def test_what_is_called_as_an_identity_is_kept_at_no_depth(name: str) -> None:
    inside = {name: "13800001111", "level": 1.50}
    sent = {"satisfaction": 5, name: "13800001111", "citizen": inside, "many": [[inside], {"deep": inside}]}
    kept = made({"satisfaction": 4}, json.dumps(sent).encode())
    assert kept == {
        "satisfaction": 4, "citizen": {"level": 1.5}, "many": [[{"level": 1.5}], {"deep": {"level": 1.5}}],
    }  # fmt: skip


def test_the_names_by_which_our_own_sources_know_an_identity_are_among_them() -> None:
    columns = {column for source in known().values() for column in source.personal} | set(form.PERSONAL)
    assert {"certkeyGOV", "userName", "身份证号"} <= columns
    assert [name for name in sorted(columns) if not is_personal(name)] == []


@pytest.mark.parametrize(
    "name", ["item_name", "windowName", "linkName", "hotel", "certType", "phone_model", "xm"]
)
def test_what_only_resembles_an_identity_is_kept(name: str) -> None:
    assert made({"satisfaction": 4}, json.dumps({"more": {name: "x"}}).encode())["more"] == {name: "x"}


@pytest.mark.parametrize("ends", [("[", "]"), ('{"a":', "}")], ids=["arrays", "objects"])
def test_however_deep_a_field_is_nested_it_is_kept_or_refused(gateway: House, ends: tuple[str, str]) -> None:
    """A 500 says that the same may be sent again: the sender would, for ever."""
    told = {}
    for depth in (1, 200, 500, 700, *range(880, 1020, 4)):
        event = at_window()
        deep = f', "x": {ends[0] * depth}1{ends[1] * depth}}}'
        answer = post(gateway, (json.dumps(event)[:-1] + deep).encode(), BINARY, **ce_headers(event))
        told[depth] = answer.status_code
    assert [told[depth] for depth in (1, 200, 500, 700)] == [202] * 4
    assert set(told.values()) == {202, 400}


def test_a_deep_event_takes_no_other_of_its_batch_along(gateway: House) -> None:
    flat, deep = at_window(), at_window()
    sent = json.dumps([envelope(flat), envelope(deep | {"x": "deep"})])
    answer = post(gateway, sent.replace('"deep"', "[" * 700 + "]" * 700).encode(), BATCH)
    assert answer.status_code == 202
    assert [value["event_id"] for value in gateway.values()] == [flat["event_id"], deep["event_id"]]


def test_known_fields_that_are_null_stay_away(gateway: House) -> None:
    event = at_window(reviewer=None, comment=None, received_at=None, device_seq=None, unknown=None)
    assert gateway.send(event).status_code == 202
    (kept,) = gateway.values()
    assert {name for name, said in kept.items() if said is None} == {"unknown"}


def test_an_unknown_field_that_is_said_twice_is_kept_once() -> None:
    assert with_unknown(b'{"satisfaction":5}', ReviewEvent, b'{"a":1,"a":2}') == b'{"satisfaction":5,"a":2}'


def test_without_any_the_value_is_the_very_same() -> None:
    value = b'{"case_no":"C1"}'
    assert with_unknown(value, CaseEvent, b'{"case_no": "C1", "event_id": null, "phone": 1}') is value
    assert with_unknown(value, CaseEvent, b'{"Phone": 1}') == value


def test_a_field_of_the_other_stream_is_unknown_in_this_one() -> None:
    assert (
        with_unknown(b'{"case_no":"C1"}', CaseEvent, b'{"comment":"x"}') == b'{"case_no":"C1","comment":"x"}'
    )


@pytest.mark.parametrize("sent", [b'{"a":"\xff"}', b'{"a\xff":1}', b'{"a":"\xed\xa0\x80"}'], ids=repr)
def test_what_is_not_utf_8_is_refused(sent: bytes) -> None:
    with pytest.raises(Invalid, match="not_json"):
        with_unknown(b'{"case_no":"C1"}', CaseEvent, sent)


def test_the_same_event_with_other_unknown_fields_is_the_same_event(gateway: House) -> None:
    event = at_window()
    assert gateway.send(event | {"light": "green"}).json()["seen_before"] is False
    for again in (event, event | {"light": "red"}):
        assert gateway.send(again).json()["seen_before"] is True
    (kept,) = gateway.values()
    assert kept["light"] == "green"


def test_what_is_kept_has_its_limit_with_them(gateway: House) -> None:
    event = at_window()
    room = MAX_BYTES - len(json.dumps(event | {"x": ""}).encode())
    refused = gateway.send(event | {"x": "x" * room})
    assert problem(refused)[:3] == (413, "invalid_event", "too_large")
    assert gateway.send(event | {"x": "x" * (room - 400)}).status_code == 202
    assert len(gateway.rows()[0].record.value) <= MAX_BYTES


def test_of_a_citizens_client_only_what_is_named_is_kept(gateway: House) -> None:
    place = Place(token_id=new_id(), kind=Kind.WINDOW, name="1号窗口", window_code="W1")
    token = gateway.way_in.tokens.make(place, datetime(2999, 1, 1, tzinfo=UTC))
    said = {
        "event_id": str(uuid7()),
        "satisfaction": 5,
        "submitted_at": gateway.clock().isoformat(),
        "note": "13800001111",
    }
    answer = gateway.client.post("/v1/reviews", json=said, headers={"authorization": f"Bearer {token}"})
    assert answer.status_code == 202
    assert "note" not in gateway.values()[0]


def test_the_description_forbids_no_further_fields(gateway: House) -> None:
    described = gateway.client.get("/openapi.json").json()["components"]["schemas"]
    for kind in ("ReviewEvent", "CaseEvent"):
        assert described[kind].get("additionalProperties", True) is True


def named(kind: type[Any]) -> set[str]:
    """The contract's names, as `spelt` spells."""
    return {
        spelt(name)
        for name in (*kind.__struct_fields__, "reviewer", "reviewer_mark", "name", "phone", "id_number")
    }


def spelt(name: str) -> str:
    return re.sub(r"[\W_]", "", normalize("NFKC", name).casefold())


def is_personal(name: str) -> bool:
    return spelt(name) in map(spelt, PERSONAL)


@hypothesis_settings(deadline=None, max_examples=300)
@given(
    extras=st.dictionaries(st.text(max_size=12), FINITE, max_size=6),
    escaped=st.booleans(),
    nulls=st.sets(st.sampled_from(["staff_id", "received_at", "hall_code"])),
    event=st.sampled_from([case("C1"), review("C1", comment=" 好\u2003", reason_codes=["501 "])]),
)
def test_any_further_fields_change_nothing_of_the_event(
    open_house: House, extras: dict[str, Any], escaped: bool, nulls: set[str], event: dict[str, Any]
) -> None:
    kind: type[Any] = ReviewEvent if "satisfaction" in event else CaseEvent
    further = {
        name: said
        for name, said in extras.items()
        if spelt(name) not in named(kind) and not is_personal(name)
    }
    way_in, nothing = open_house.way_in, dict.fromkeys(nulls)
    body = json.dumps(further | {"Reviewer": "王"} | event | nothing, ensure_ascii=escaped).encode()
    plain = way_in.record(way_in.read(kind, json.dumps(event).encode()), "/t")
    kept = way_in.record(way_in.read(kind, body), "/t", body)
    assert msgspec.json.decode(kept.value) == msgspec.json.decode(plain.value) | further
    at = datetime.now(UTC)
    assert read(kind, kept.value, at) == read(kind, plain.value, at)
    assert kept.digest == plain.digest
