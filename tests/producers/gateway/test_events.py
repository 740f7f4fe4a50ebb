"""POST /v1/events: every form, what is kept, what is answered, what is refused and how it is said."""

import base64
import json
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest

from pipeline.clock import utc_now
from pipeline.edge import Vouched
from pipeline.sealing import Sealer
from schemas.cloudevents import SENT_DIGEST
from schemas.identifiers import uuid7
from tests.harness import case, now, review
from tests.producers.gateway.house import (
    CASE,
    REVIEW,
    SYSTEM,
    House,
    ce_headers,
    envelope,
    house,
    vouched,
)

BINARY = "application/json"
STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
REVIEWER = {"name": "王小明", "phone": "13800001111", "id_number": "61032619800101001X"}


def at_window(case_no: str | None = "C1", satisfaction: int = 5, **fields: Any) -> dict[str, Any]:
    return review(case_no, satisfaction, **({"channel": "terminal"} | fields))


def post(
    gateway: House, body: bytes, form: str, device: str = "terminal-1", **headers: str
) -> httpx.Response:
    """This body, whatever it is, signed."""
    said = gateway.signed(body, device=device, headers={"content-type": form} | headers)
    return gateway.client.post("/v1/events", content=body, headers=said)


def structured(gateway: House, told: Any, **more: Any) -> httpx.Response:
    return post(gateway, json.dumps(told).encode(), STRUCTURED, **more)


def batch(gateway: House, told: Any, **more: Any) -> httpx.Response:
    return post(gateway, json.dumps(told).encode(), BATCH, **more)


def problem(answer: httpx.Response) -> tuple[int, str, str, str]:
    """Status, kind, reason and field."""
    said = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert said["status"] == answer.status_code
    kind = said["type"].removeprefix("urn:hcp:problem:")
    return answer.status_code, kind, said.get("reason", ""), said.get("field", "")


def test_a_signed_review_lies_on_disk_when_it_is_accepted(gateway: House) -> None:
    event = at_window()
    answer = gateway.send(event)
    assert answer.status_code == 202
    (row,) = gateway.rows()
    headers = {name: value.decode() for name, value in row.record.headers}
    kept = json.loads(row.record.value)
    assert (row.record.stream, row.record.key) == ("review.v1", b"C1")
    assert headers["ce_id"] == kept["event_id"] == answer.json()["event_id"] == event["event_id"]
    assert (headers["ce_source"], headers["ce_type"]) == ("/terminal/terminal-1", REVIEW)
    assert kept["received_at"].startswith(f"{gateway.clock():%Y-%m-%dT%H:%M:%S}")


def test_a_signed_case_too(gateway: House) -> None:
    assert gateway.send(case("C1"), SYSTEM).status_code == 202
    (row,) = gateway.rows()
    assert (row.record.stream, dict(row.record.headers)["ce_type"].decode()) == ("case.v1", CASE)


def test_what_lies_on_disk_is_signed_as_received_now_from_the_device(gateway: House) -> None:
    """Whatever the device says itself of when it was received; seals and further fields are in what is signed."""
    said = at_window(received_at=now(days=9), reviewer={"phone": "13800135678"}, shoe_size=44)
    gateway.send(said)
    gateway.send(case("C1"), SYSTEM)
    gateway.clock.move(seconds=60)
    assert gateway.send(said).json()["seen_before"]
    review, served = gateway.rows()
    received = gateway.clock() - timedelta(seconds=60)
    assert vouched(gateway.settings, review) == Vouched("/terminal/terminal-1", received)
    assert vouched(gateway.settings, served) == Vouched(f"/system/{SYSTEM}", received)


@pytest.mark.parametrize(
    "told",
    [
        envelope,
        lambda event: envelope(event, datacontenttype="application/json; charset=utf-8"),
        lambda event: envelope(event, time=now(), dataschema="x", extension=5),
        lambda event: (
            {name: value for name, value in envelope(event).items() if name != "data"}
            | {"data_base64": base64.b64encode(json.dumps(event).encode()).decode()}
        ),
        lambda event: envelope(
            {name: value for name, value in event.items() if name != "event_id"}
            | {"event_id": event["event_id"]}
        ),
    ],
)
def test_structured_form(gateway: House, told: Any) -> None:
    event = at_window()
    assert structured(gateway, told(event)).status_code == 202
    assert gateway.values()[0]["event_id"] == event["event_id"]


def test_the_id_may_stand_in_the_attributes_alone(gateway: House) -> None:
    event = at_window()
    event_id = event.pop("event_id")
    body = json.dumps(event).encode()
    headers = ce_headers(event | {"event_id": event_id})
    assert post(gateway, body, BINARY, **headers).status_code == 202
    assert gateway.values()[0]["event_id"] == event_id


def test_attributes_are_percent_encoded(gateway: House) -> None:
    event = at_window(event_id="甲-1")
    answer = gateway.send(event, headers={"ce-id": "%E7%94%B2-1"})
    assert (answer.status_code, answer.json()["event_id"]) == (202, "甲-1")


def test_each_of_a_batch_is_answered_on_its_own(gateway: House) -> None:
    good, twin = at_window("C1"), at_window("C2")
    events: list[Any] = [
        envelope(good),
        envelope(at_window("C3", satisfaction=6)),
        envelope(good),
        "no event",
        envelope(case("C4")),
        envelope(twin, type="cn.gov.meixian.hcp.ticket.v1"),
        envelope(twin),
    ]
    answer = batch(gateway, events)
    results = answer.json()["results"]
    assert answer.status_code == 207
    assert [one["status"] for one in results] == [202, 422, 202, 400, 403, 422, 202]
    assert [one.get("seen_before", False) for one in results] == [False, False, True, *[False] * 4]
    assert results[1]["problem"]["field"] == "satisfaction"
    assert [value["event_id"] for value in gateway.values()] == [good["event_id"], twin["event_id"]]


def test_a_batch_of_which_all_are_taken(gateway: House) -> None:
    answer = batch(gateway, [envelope(at_window(f"C{n}")) for n in range(500)])
    assert (answer.status_code, len(answer.json()["results"])) == (202, 500)
    assert len(gateway.rows()) == 500
    assert batch(gateway, []).json() == {"results": []}


def test_too_many_of_a_batch(gateway: House) -> None:
    assert problem(batch(gateway, [1] * 501))[:2] == (413, "too_many_events")
    assert problem(batch(gateway, {}))[:3] == (422, "invalid_event", "wrong_type")
    assert problem(post(gateway, b"[" * 100_000, BATCH))[:3] == (400, "invalid_event", "not_json")


def test_the_same_event_again_is_taken_again_and_kept_once(gateway: House) -> None:
    event = at_window()
    first = gateway.send(event).json()
    gateway.clock.move(hours=1)
    again = gateway.send(event)
    assert (again.status_code, again.json()["seen_before"]) == (202, True)
    assert again.json()["received_at"][:19] == first["received_at"][:19]
    assert gateway.send(event | {"comment": "另一句话"}).json()["seen_before"] is False
    assert len(gateway.rows()) == 2


def test_what_a_sender_says_of_its_receipt_is_not_believed(gateway: House) -> None:
    for claimed in ("2001-01-01T00:00:00Z", now(days=-3)):
        assert gateway.send(at_window(received_at=claimed)).status_code == 202
    times = {value["received_at"][:19] for value in gateway.values()}
    assert times == {f"{gateway.clock():%Y-%m-%dT%H:%M:%S}"}


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("2026-11-02T20:00:00+20:00", "2026-11-02T00:00:00Z"),
        ("2026-11-02T00:00:00-23:59", "2026-11-02T23:59:00Z"),
        ("2026-11-02T16:00:00+16:00", "2026-11-02T00:00:00Z"),
        ("2026-11-02T16:00:00+15:59", "2026-11-02T16:00:00+15:59"),
        ("2026-11-02T16:00:00-12:00", "2026-11-02T16:00:00-12:00"),
    ],
)
def test_an_offset_that_the_ledger_cannot_read_becomes_utc(gateway: House, said: str, kept: str) -> None:
    event = at_window(submitted_at=said)
    assert [gateway.send(event).json()["seen_before"] for _ in range(2)] == [False, True]
    assert gateway.send(case("C1", served_at=said, accepted_at=said), SYSTEM).status_code == 202
    of_review, of_case = gateway.values()
    assert {of_review["submitted_at"], of_case["served_at"], of_case["accepted_at"]} == {kept}


@pytest.mark.parametrize("form", [BINARY, STRUCTURED, BATCH])
def test_the_chain_sees_what_the_device_sent_byte_for_byte(gateway: House, form: str) -> None:
    event = at_window(device_seq=7, device_prev="a" * 64, reviewer=REVIEWER)
    data = json.dumps(event, ensure_ascii=False, indent=3).encode() + b"\n "
    told = json.dumps(envelope(event) | {"data": None}).encode().replace(b"null", data.strip())
    body = {BINARY: data, STRUCTURED: told, BATCH: b"[ " + told + b" ]"}[form]
    headers = ce_headers(event) if form == BINARY else {}
    assert post(gateway, body, **(headers | {"form": form})).status_code == 202
    (row,) = gateway.rows()
    expected = sha256(data if form == BINARY else data.strip()).hexdigest()
    assert dict(row.record.headers)[SENT_DIGEST].decode() == expected


@pytest.mark.parametrize("seq", [2**53 + 1, 2**63 - 1, 2.0**60])
def test_a_number_that_would_leave_holes_without_end_is_refused(gateway: House, seq: float) -> None:
    answer = gateway.send(at_window(device_seq=seq))
    assert problem(answer)[:2] == (422, "invalid_event")
    assert (answer.json()["field"], answer.json()["reason"]) == ("device_seq", "out_of_range")
    assert str(2**53) in answer.json()["detail"]
    body = json.dumps([envelope(at_window(device_seq=seq)), envelope(at_window(device_seq=2**53))]).encode()
    results = post(gateway, body, form=BATCH).json()["results"]
    assert [one["status"] for one in results] == [422, 202]


def test_without_a_sequence_there_is_no_digest(gateway: House) -> None:
    gateway.send(at_window())
    assert SENT_DIGEST not in dict(gateway.rows()[0].record.headers)


def test_no_clear_identity_reaches_the_spool(tmp_path: Path) -> None:
    with house(tmp_path) as gateway:
        sealer = Sealer(gateway.settings.seal)
        event = at_window(reviewer=REVIEWER, reviewer_mark="13800001111", real_name=True)
        assert gateway.send(event).status_code == 202
        (kept,) = gateway.values()
        assert sealer.open_reviewer(event["event_id"], kept["reviewer"]).name == REVIEWER["name"]
        assert kept["reviewer_mark"] == sealer.mark(REVIEWER["phone"])
    written = b"".join(file.read_bytes() for file in (tmp_path / "spool").iterdir())
    assert event["event_id"].encode() in written
    for clear in REVIEWER.values():
        assert clear.encode() not in written


def test_one_phone_has_one_mark_however_a_device_writes_it(gateway: House) -> None:
    sealer = Sealer(gateway.settings.seal)
    for phone in ("13800001111", "138-0000-1111", "+86 138 0000 1111"):
        event = at_window(reviewer={"phone": phone})
        assert gateway.send(event).status_code == 202
        sealed = gateway.values()[-1]["reviewer"]
        assert sealer.open_reviewer(event["event_id"], sealed).phone == phone, "kept as it was said"
    assert {value["reviewer_mark"] for value in gateway.values()} == {sealer.mark("13800001111")}


def test_a_seal_of_ours_is_opened_for_the_mark_and_a_foreign_one_refused(gateway: House) -> None:
    sealer, event_id = Sealer(gateway.settings.seal), str(uuid7())
    sealed = sealer.seal_reviewer(event_id, phone="13800001111", at=utc_now())
    assert gateway.send(at_window(event_id=event_id, reviewer=sealed)).status_code == 202
    assert gateway.values()[0]["reviewer_mark"] == sealer.mark("13800001111")
    for foreign in (sealed, "王小明", "s1.other.AAAA"):
        answer = gateway.send(at_window(reviewer=foreign))
        assert problem(answer) == (422, "invalid_event", "wrong_type", "reviewer")


def test_a_mark_without_a_reviewer_is_dropped(gateway: House) -> None:
    assert gateway.send(at_window(reviewer_mark="13800001111")).status_code == 202
    assert "reviewer_mark" not in gateway.values()[0]


@pytest.mark.parametrize(
    ("fields", "reason", "field"),
    [
        ({"satisfaction": 6}, "out_of_range", "satisfaction"),
        ({"satisfaction": "5"}, "wrong_type", "satisfaction"),
        ({"satisfaction": None}, "wrong_type", "satisfaction"),
        ({"channel": "13800001111"}, "unknown_value", "channel"),
        ({"submitted_at": "2026-11-23T15:20:00"}, "wrong_type", "submitted_at"),
        ({"submitted_at": "1999-11-23T15:20:00Z"}, "time_out_of_range", "submitted_at"),
        ({"submitted_at": "2099-11-23T15:20:00Z"}, "time_out_of_range", "submitted_at"),
        ({"case_no": ""}, "out_of_range", "case_no"),
        ({"comment": "x" * 2001}, "out_of_range", "comment"),
        ({"reason_codes": ["1"] * 17}, "out_of_range", "reason_codes"),
        ({"reviewer": {"phone": 13800001111}}, "wrong_type", "reviewer"),
    ],
    ids=str,
)
def test_a_problem_names_field_and_rule_and_never_a_value(
    gateway: House, fields: dict[str, Any], reason: str, field: str
) -> None:
    answer = gateway.send(at_window(**fields))
    assert problem(answer) == (422, "invalid_event", reason, field)
    assert "13800001111" not in answer.text
    assert not gateway.rows()


@pytest.mark.parametrize("gone", ["satisfaction", "channel", "submitted_at"])
def test_a_field_that_is_missing(gateway: House, gone: str) -> None:
    event = at_window()
    del event[gone]
    body = json.dumps(event).encode()
    headers = ce_headers(event | {"satisfaction": 5})
    assert problem(post(gateway, body, BINARY, **headers)) == (422, "invalid_event", "missing_field", gone)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"ce-specversion": "0.3"}, "unknown_value"),
        ({"ce-specversion": ""}, "missing_field"),
        ({"ce-id": ""}, "missing_field"),
        ({"ce-id": "another"}, "id_mismatch"),
        ({"ce-source": ""}, "missing_field"),
        ({"ce-type": "cn.gov.meixian.hcp.ticket.v1"}, "unknown_value"),
        ({"ce-type": CASE}, "missing_field"),
    ],
    ids=str,
)
def test_attributes_that_are_wrong(gateway: House, change: dict[str, str], reason: str) -> None:
    assert problem(gateway.send(at_window(), headers=change))[1:3] == ("invalid_event", reason)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"specversion": 1}, "wrong_type"),
        ({"time": "yesterday"}, "wrong_type"),
        ({"datacontenttype": "text/xml"}, "unknown_value"),
        ({"data_base64": "e30="}, "missing_field"),
        ({"id": ""}, "missing_field"),
    ],
    ids=str,
)
def test_envelopes_that_are_wrong(gateway: House, change: dict[str, Any], reason: str) -> None:
    assert problem(structured(gateway, envelope(at_window()) | change))[1:3] == ("invalid_event", reason)


@pytest.mark.parametrize("base64_", ["*", "e30", "é"])
def test_data_in_base64_that_is_none(gateway: House, base64_: str) -> None:
    told = {name: value for name, value in envelope(at_window()).items() if name != "data"}
    assert problem(structured(gateway, told | {"data_base64": base64_}))[2] == "wrong_type"


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 60_000, b'{"a":' * 10_000, b"nul"])
@pytest.mark.parametrize("form", [BINARY, STRUCTURED, BATCH])
def test_what_is_no_json(gateway: House, body: bytes, form: str) -> None:
    answer = post(gateway, body, form, **{**ce_headers(at_window()), "content-type": form})
    assert problem(answer)[:3] == (400, "invalid_event", "not_json")


def test_what_is_too_large(gateway: House) -> None:
    assert problem(gateway.send(at_window(extra="x" * 66_000)))[:2] == (413, "too_large")
    large = envelope(at_window(extra="x" * 70_000))
    assert [one["status"] for one in batch(gateway, [large, envelope(at_window())]).json()["results"]] == [
        413,
        202,
    ]
    assert problem(post(gateway, b" " * (1024 * 1024 + 1), BATCH))[:2] == (413, "too_large")


@pytest.mark.parametrize(
    "form", ["", "text/plain", "application/xml", "application/json; charset=gbk", "application/cloudevents"]
)
def test_a_form_that_is_not_read_here(gateway: House, form: str) -> None:
    answer = gateway.send(at_window(), headers={"content-type": form})
    assert problem(answer)[:2] == (415, "unsupported_media_type")


def test_a_charset_may_be_said(gateway: House) -> None:
    form = 'Application/JSON; charset="UTF-8"'
    assert gateway.send(at_window(), headers={"content-type": form}).status_code == 202


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("", 202),
        ("*/*", 202),
        ("text/html, application/*;q=0.2", 202),
        ("application/json", 202),
        ("text/html", 406),
        ("application/json;q=0", 406),
        ("application/json; q=0.000, text/*", 406),
    ],
)
def test_what_the_caller_accepts(gateway: House, accept: str, status: int) -> None:
    assert gateway.send(at_window(), headers={"accept": accept}).status_code == status


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "HEAD"])
def test_other_methods(gateway: House, method: str) -> None:
    answer = gateway.client.ask(method, "/v1/events")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert method == "HEAD" or problem(answer)[1] == "method_not_allowed"


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/events/", "/v1/events/x", "//v1/events", "/.env"])
def test_other_paths(gateway: House, path: str) -> None:
    assert problem(gateway.client.post(path))[:2] == (404, "not_found")


def long() -> dict[str, Any]:
    return at_window(comment="满" * 600)


def test_a_broken_spool_says_when_to_come_again(gateway: House) -> None:
    gateway.way_in.spool.close()
    refused = gateway.send(at_window())
    assert problem(refused)[:2] == (503, "broken")
    assert int(refused.headers["retry-after"]) > 0


def test_without_the_months_keys_nothing_is_taken_in_clear_and_it_says_when_to_come_again(
    gateway: House,
) -> None:
    months = gateway.settings.seal.months
    months.write_text("no folder")
    for refused in (
        gateway.send(at_window(reviewer=REVIEWER)),
        batch(gateway, [envelope(at_window()), envelope(at_window(reviewer=REVIEWER))]),
    ):
        assert problem(refused)[:2] == (503, "broken")
        assert int(refused.headers["retry-after"]) > 0
    assert gateway.rows() == []
    assert gateway.send(at_window()).status_code == 202, "who names nobody needs no key"
    months.unlink()
    assert gateway.send(at_window(reviewer=REVIEWER)).status_code == 202
    at = gateway.clock()
    assert gateway.values()[-1]["reviewer"].startswith(f"s1.m{at:%Y%m}"), "of the month in which it came"


def test_a_full_spool_says_when_to_come_again(tmp_path: Path) -> None:
    first = at_window()
    with house(tmp_path, spool_bytes=2**20) as gateway:
        assert gateway.send(first).status_code == 202
        while (answer := batch(gateway, [envelope(long()) for _ in range(100)])).status_code == 202:
            pass
        assert {one["status"] for one in answer.json()["results"]} == {503}
        while (refused := gateway.send(long())).status_code == 202:
            pass
        assert problem(refused)[:2] == (503, "full")
        assert int(refused.headers["retry-after"]) > 0
        ready = gateway.client.get("/readyz")
        assert (ready.status_code, ready.json()["status"]) == (503, "not-ready")
        assert ready.json()["spool"] == {"ok": False, "reason": "the spool is full"}
        assert gateway.send(first).json()["seen_before"], "what is on disk is said to be, full or not"
