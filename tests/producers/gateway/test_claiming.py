"""A number that a device sends for everybody: a review with it is of no case, nothing else is taken with it."""

import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from producers import state
from producers.devices.registry import FILE, Copy
from schemas.cloudevents import SENT_DIGEST
from tests.harness import case
from tests.producers.gateway.house import SYSTEM, TERMINAL, House, devices, envelope, settings_in
from tests.producers.gateway.test_events import at_window, batch, problem, structured

NUMBER = "000000"


def house_with(folder: Path, *placeholders: str) -> House:
    settings = settings_in(folder)
    return House(settings, [replace(device, placeholders=placeholders) for device in devices(settings)])


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[House]:
    made = house_with(tmp_path, "0", NUMBER)
    yield made
    made.close()


def headers_of(gateway: House) -> dict[str, bytes]:
    (row,) = gateway.rows()
    return dict(row.record.headers)


@pytest.mark.parametrize("number", [NUMBER, " 000000 ", "０００\u200b０００"])
def test_a_review_with_it_is_kept_without_a_case_and_the_number_as_a_claim(
    gateway: House, number: str
) -> None:
    event = at_window(number, 1, service_no=4, device_seq=1)
    answer = gateway.send(event)
    assert answer.status_code == 202
    assert answer.json().keys() == {"event_id", "received_at", "seen_before"}
    (kept,) = gateway.values()
    assert kept["claimed_case_no"] == number.strip()
    assert not {"case_no", "service_no"} & kept.keys()
    assert (kept["event_id"], kept["window_code"]) == (event["event_id"], "W1")
    assert gateway.rows()[0].record.key == b"W1"
    headers = headers_of(gateway)
    assert headers[SENT_DIGEST].decode() == sha256(json.dumps(event).encode()).hexdigest()
    assert headers["ce_subject"] == b"W1"


def test_without_the_setting_it_is_a_case_like_any_other(tmp_path: Path) -> None:
    """The broken twin: what the setting is for."""
    plain = house_with(tmp_path)
    assert plain.send(at_window(NUMBER)).status_code == 202
    (kept,) = plain.values()
    assert kept["case_no"] == NUMBER
    assert "claimed_case_no" not in kept
    assert plain.rows()[0].record.key == NUMBER.encode()
    plain.close()


def test_a_number_of_its_own_stays(gateway: House) -> None:
    assert gateway.send(at_window("C1", service_no=2)).status_code == 202
    (kept,) = gateway.values()
    assert (kept["case_no"], kept["service_no"]) == ("C1", 2)
    assert "claimed_case_no" not in kept


@pytest.mark.parametrize("post", [structured, batch])
def test_in_every_form(gateway: House, post: Any) -> None:
    told = envelope(at_window(NUMBER))
    assert post(gateway, [told] if post is batch else told).status_code == 202
    (kept,) = gateway.values()
    assert (kept.get("case_no"), kept["claimed_case_no"]) == (None, NUMBER)


def test_a_device_s_own_claim_never_stands_in_its_place(gateway: House) -> None:
    sent = at_window(NUMBER, claimed_case_no="C9", claimedCaseNo="C9", x_light="绿")
    assert gateway.send(sent).status_code == 202
    (row,) = gateway.rows()
    assert row.record.value.count(b"C9") == 0
    assert json.loads(row.record.value) | {"claimed_case_no": NUMBER, "x_light": "绿"} == json.loads(
        row.record.value
    )


def test_a_retry_after_the_setting_came_is_the_same_event(tmp_path: Path) -> None:
    gateway, event = house_with(tmp_path), at_window(NUMBER)
    assert not gateway.send(event).json()["seen_before"]
    known = [replace(device, placeholders=(NUMBER,)) for device in devices(gateway.settings)]
    gateway.close()
    again = House(gateway.settings, known)
    assert again.send(event).json()["seen_before"]
    assert len(again.rows()) == 1
    again.close()


def test_a_case_with_it_is_refused_and_the_answer_says_what_to_do(gateway: House) -> None:
    answer = gateway.send(case("０００000"), SYSTEM)
    assert problem(answer) == (422, "invalid_event", "out_of_range", "case_no")
    assert "name the case's own number" in answer.json()["detail"]
    assert NUMBER not in answer.text
    assert gateway.rows() == []
    assert gateway.send(case("C1"), SYSTEM).status_code == 202


def asked(gateway: House, path: str, **said: Any) -> httpx.Response:
    body = json.dumps(said).encode()
    return gateway.client.post(path, content=body, headers=gateway.signed(body, path, SYSTEM))


@pytest.mark.parametrize(
    ("path", "more"), [("/v1/invitations", {"channel": "app"}), ("/v1/terminals/W1/invite", {})]
)
def test_nobody_is_invited_to_review_it(gateway: House, path: str, more: dict[str, str]) -> None:
    refused = asked(gateway, path, case_no="０\u200b", **more)
    assert problem(refused) == (422, "invalid_event", "out_of_range", "case_no")
    assert asked(gateway, path, case_no="C1", **more).status_code in {200, 201}


def test_a_copy_of_an_earlier_release_is_read(tmp_path: Path) -> None:
    gateway = house_with(tmp_path)
    file = gateway.settings.gateway.spool_dir / FILE
    written = json.loads(file.read_text())
    for device in written["devices"]:
        del device["placeholders"]
    file.write_text(json.dumps(written))
    copy = state.read(file, Copy)
    assert copy is not None
    assert {device.device_id: device.placeholders for device in copy.devices} == {TERMINAL: (), SYSTEM: ()}
    gateway.close()
