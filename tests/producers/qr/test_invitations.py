"""Invitations: a department's system gets a link for its own cases alone; a number goes to the webhook and nowhere else."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from producers.devices.device import Device
from producers.qr.sms.outbox import Outbox
from producers.tokens import INVITED, CaseToken, TokenExpired
from schemas.identifiers import uuid7
from tests.producers.gateway.house import (
    SECRETS,
    SYSTEM,
    TERMINAL,
    UNLIMITED,
    Clock,
    House,
    house,
    key,
    settings_in,
)

PATH = "/v1/invitations"
PHONE = "13800135678"
ASKED = {"case_no": "MX1", "service_no": 2, "channel": "app", "item_name": "设立登记", "dept_code": "D9"}


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def open_house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("open"), **UNLIMITED) as made:
        yield made


def invite(gateway: House, asked: dict[str, Any], device: str = SYSTEM) -> httpx.Response:
    body = json.dumps(asked).encode()
    return gateway.client.post(PATH, content=body, headers=gateway.signed(body, PATH, device))


def test_a_system_gets_a_link_for_its_case(gateway: House) -> None:
    answer = invite(gateway, ASKED | {"expires_in": 3600})
    assert answer.status_code == 201
    said = answer.json()
    claims = gateway.way_in.tokens.read(said["token"])
    assert isinstance(claims, CaseToken)
    assert (claims.case_no, claims.service_no, claims.channel) == ("MX1", 2, "app")
    assert (claims.name, claims.dept_code) == ("设立登记", "D9")
    assert claims.issuer == f"/system/{SYSTEM}"
    assert said["url"] == f"{gateway.settings.gateway.url}/r/{said['token']}"
    assert said["sms"] == "not_sent"
    assert gateway.client.get(f"/r/{said['token']}").status_code == 200
    gateway.clock.move(hours=1)
    with pytest.raises(TokenExpired):
        gateway.way_in.tokens.read(said["token"])


def test_the_link_and_the_json_api_admit_the_same_two_reviews(gateway: House) -> None:
    token = invite(gateway, ASKED).json()["token"]
    assert gateway.client.post(f"/r/{token}", content=b"level=2").status_code == 303
    review = {
        "event_id": "019a0000-0000-7000-9000-000000000001",
        "satisfaction": 5,
        "submitted_at": gateway.clock().isoformat(),
    }
    told = gateway.client.post("/v1/reviews", json=review, headers={"authorization": f"Bearer {token}"})
    assert told.status_code == 409
    again = gateway.client.post(
        "/v1/reviews", json=review | {"review_no": 2}, headers={"authorization": f"Bearer {token}"}
    )
    assert again.status_code == 202
    assert [value["channel"] for value in gateway.values()] == ["app", "app"]


@pytest.mark.parametrize(
    ("change", "status", "word"),
    [
        ({"channel": "terminal"}, 422, "channel"),
        ({"channel": "nonsense"}, 422, "channel"),
        ({"case_no": ""}, 422, "case_no"),
        ({"case_no": " \n"}, 422, "case_no"),
        ({"case_no": 5}, 422, "case_no"),
        ({"expires_in": 5}, 422, "expires_in"),
        ({"channel": "sms", "phone": "12345"}, 422, "phone"),
    ],
)
def test_what_is_wrong_is_named_and_never_repeated(
    gateway: House, change: dict[str, Any], status: int, word: str
) -> None:
    answer = invite(gateway, ASKED | change)
    assert (answer.status_code, word in answer.json()["detail"]) == (status, True)
    assert "12345" not in answer.text
    assert "nonsense" not in answer.text


def test_no_json_no_signature_no_terminal(gateway: House) -> None:
    body = b"{"
    headers = gateway.signed(body, PATH, SYSTEM)
    assert gateway.client.post(PATH, content=body, headers=headers).status_code == 400
    assert gateway.client.post(PATH, json=ASKED).status_code == 401
    assert invite(gateway, ASKED, TERMINAL).status_code == 403


def test_a_system_speaks_for_its_own_place(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    own = Device(SYSTEM, "system", dept_code="D1", keys=(key(settings, SYSTEM, SECRETS[SYSTEM]),))
    gateway = House(settings, [own], Clock())
    try:
        assert invite(gateway, ASKED).status_code == 403
        filled = invite(gateway, {name: ASKED[name] for name in ("case_no", "channel")}).json()
        assert gateway.way_in.tokens.read(filled["token"]).dept_code == "D1"
    finally:
        gateway.close()


def test_a_text_message_is_queued_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with house(tmp_path, sms_webhook="http://127.0.0.1:9/sms") as gateway:
        (outbox,) = gateway.way_in.beside
        assert isinstance(outbox, Outbox)
        asked = ASKED | {"channel": "sms", "phone": "138 0013 5678"}
        assert [invite(gateway, asked).json()["sms"] for _ in range(2)] == ["queued", "queued"]
        assert invite(gateway, ASKED | {"channel": "sms", "service_no": 3}).json()["sms"] == "not_sent"
        landline = ASKED | {"channel": "sms", "service_no": 4, "phone": "0917-5542345"}
        assert invite(gateway, landline).json()["sms"] == "not_sent"
        assert outbox.waiting() == 1
        files = [file.read_bytes() for file in gateway.settings.gateway.spool_dir.iterdir() if file.is_file()]
        assert not any(PHONE.encode() in content for content in files)
        gateway.clock.move(days=30)
        assert outbox.hand_over_due() == 0
        assert outbox.waiting() == 0, "its link has expired"
        outbox.stop()
    assert PHONE not in caplog.text


@pytest.mark.parametrize("case_no", ["MX1 ", "\nMX1", "MX\x001", "\u3000MX1"])
def test_a_case_has_one_link_however_its_number_was_typed(gateway: House, case_no: str) -> None:
    """Its reviews are stored under the cleaned one: else each way of typing it would admit a first review more."""
    tokens = [
        gateway.way_in.tokens.read(invite(gateway, ASKED | {"case_no": no}).json()["token"])
        for no in ("MX1", case_no)
    ]
    assert tokens[0] == tokens[1]


def test_the_largest_invitation_makes_a_link_that_the_gateway_reads(gateway: House) -> None:
    codes = dict.fromkeys(("case_no", "hall_code", "window_code", "staff_id"), "𠮷" * 64)
    asked = ASKED | codes | {"item_name": "𠮷" * 200, "dept_code": "𠮷" * 18, "item_code": "𠮷" * 36}
    answer = invite(gateway, asked)
    claims = gateway.way_in.tokens.read(answer.json()["token"])
    assert claims.name == "𠮷" * 80
    assert claims.fields() | codes == claims.fields()
    assert gateway.client.post(f"/r/{answer.json()['token']}", content=b"level=2").status_code == 303


LETTERS = st.sampled_from(
    ["a", "政", "𠮷", '"', "\\", "\n", "\u0000", " ", "e\u0301", "\u0958", "\U0001d15e", "👨\u200d👩"]
)


def texts(most: int) -> st.SearchStrategy[str]:
    """Of up to as many characters as are allowed, and one more; some grow when they are cleaned, some vanish."""
    return st.builds(lambda letter, count: (letter * count)[: most + 1], LETTERS, st.integers(0, most + 1))


@hypothesis_settings(deadline=None, max_examples=150)
@given(
    st.fixed_dictionaries(
        {"case_no": texts(64), "channel": st.sampled_from(sorted(INVITED))},
        optional={
            "item_name": texts(200), "dept_code": texts(18), "item_code": texts(36), "hall_code": texts(64),
            "window_code": texts(64), "staff_id": texts(64), "service_no": st.integers(0, 100),
        },
    )
)  # fmt: skip
def test_every_invitation_that_is_taken_makes_a_link_with_which_a_review_is(
    open_house: House, asked: dict[str, Any]
) -> None:
    answer = invite(open_house, asked)
    if answer.status_code != 201:
        assert (answer.status_code, answer.json()["field"] in asked) == (422, True)
        return
    token = answer.json()["token"]
    claims = open_house.way_in.tokens.read(token)
    assert open_house.client.get(f"/r/{token}").status_code == 200
    event = {"event_id": str(uuid7()), "satisfaction": 5, "submitted_at": open_house.clock().isoformat()}
    told = open_house.client.post("/v1/reviews", json=event, headers={"authorization": f"Bearer {token}"})
    assert told.status_code in {202, 409}, "409: this service was reviewed by an example before"
    if told.status_code == 202:
        kept = open_house.values()[-1]
        assert claims.fields() | kept == kept | {"service_no": claims.fields()["service_no"]}
