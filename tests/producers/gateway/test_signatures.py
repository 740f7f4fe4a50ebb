"""Who signs: known vectors, every way in which a signature is none, what is used once, what no longer holds."""

import hashlib
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import signing
from pipeline.signing import NotSigned, Signed, sign
from producers.devices.device import Device
from producers.gateway.way_in import WayIn
from producers.spool.errors import NonceUsed
from tests.harness import case, review
from tests.producers.gateway.house import (
    SECRETS,
    SYSTEM,
    TERMINAL,
    Clock,
    House,
    ce_headers,
    devices,
    envelope,
    key,
    settings_in,
)

LONG = b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopqabcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"


@pytest.mark.parametrize(
    ("algorithm", "secret", "said", "mac"),
    [
        (  # RFC 4231, 4.2
            "hmac-sha256",
            b"\x0b" * 20,
            b"Hi There",
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
        ),
        (  # RFC 4231, 4.3
            "hmac-sha256",
            b"Jefe",
            b"what do ya want for nothing?",
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        ),
        (  # GM/T 0042-2015, D.3
            "hmac-sm3",
            bytes(range(1, 33)),
            LONG,
            "ca05e144ed05d1857840d1f318a4a8669e559fc8391f414485bfdf7bb408963a",
        ),
    ],
)
def test_known_vectors(algorithm: str, secret: bytes, said: bytes, mac: str) -> None:
    assert signing._mac(secret, algorithm, said) == mac


def test_what_is_signed_is_five_lines() -> None:
    headers = sign("d", "k", b"secret", "POST", "/v1/events?a=b", b"body", at=1_795_426_800)
    lines = [
        "POST",
        "/v1/events?a=b",
        "1795426800",
        headers["hcp-nonce"],
        hashlib.sha256(b"body").hexdigest(),
    ]
    assert headers["hcp-signature"] == signing._mac(b"secret", "hmac-sha256", "\n".join(lines).encode())


@given(
    st.sampled_from(signing.ALGORITHMS),
    st.binary(min_size=1, max_size=64),
    st.binary(max_size=200),
    st.sampled_from(["secret", "method", "path", "body", "at", "nonce"]),
)
def test_a_signature_holds_for_what_was_signed_and_nothing_else(
    algorithm: str, secret: bytes, body: bytes, changed: str
) -> None:
    headers = sign("d", "k", secret, "POST", "/v1/events", body, at=1_795_426_800, algorithm=algorithm)
    said: dict[str, Any] = {"secret": secret, "method": "POST", "path": "/v1/events", "body": body}
    signed = Signed.of(headers)
    assert signed.is_by(**said)
    other = {"secret": secret + b"x", "method": "PUT", "path": "/v1/event", "body": body + b" "}
    moved = {"at": signed._replace(at=1_795_426_801), "nonce": signed._replace(nonce="n" * 24)}
    changes = {changed: other[changed]} if changed in other else {}
    assert not moved.get(changed, signed).is_by(**(said | changes))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("hcp-device", None),
        ("hcp-device", "a b"),
        ("hcp-key", None),
        ("hcp-time", "now"),
        ("hcp-time", "-1795426800"),
        ("hcp-time", "１７９５４２６８００"),
        ("hcp-nonce", "short"),
        ("hcp-nonce", "n" * 65),
        ("hcp-nonce", "n" * 20 + "\n"),
        ("hcp-algorithm", "hmac-md5"),
    ],
)
def test_headers_that_say_nothing(name: str, value: str | None) -> None:
    headers = sign("d", "k", b"s", "POST", "/", b"") | ({} if value is None else {name: value})
    if value is None:
        del headers[name]
    with pytest.raises(NotSigned, match=name):
        Signed.of(headers)


def kind(answer: Any) -> str:
    document = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert document["status"] == answer.status_code
    return str(document["type"]).removeprefix("urn:hcp:problem:")


def attempt(gateway: House, **more: Any) -> Any:
    """A review, signed by `signed` and then changed in its headers by `change`."""
    event = review("C1", channel="terminal")
    body = json.dumps(event).encode()
    headers = ce_headers(event) | gateway.signed(body, **more.pop("signed", {})) | more.pop("change", {})
    return gateway.client.post("/v1/events", content=more.pop("body", body), headers=headers)


def test_both_algorithms_are_believed(gateway: House) -> None:
    for algorithm in signing.ALGORITHMS:
        assert attempt(gateway, signed={"algorithm": algorithm}).status_code == 202


@pytest.mark.parametrize(
    "more",
    [
        {"signed": {"secret": b"another"}},
        {"signed": {"key_id": "k2"}},
        {"signed": {"method": "PUT"}},
        {"signed": {"path": "/v1/reviews"}},
        {"signed": {"device": "nobody", "secret": b"x"}},
        {"change": {"hcp-signature": ""}},
        {"change": {"hcp-signature": "é"}},
        {"change": {"hcp-algorithm": "hmac-sm3"}},
        {"change": {"hcp-nonce": "n" * 24}},
        {"change": {"hcp-device": SYSTEM}},
        {"body": b"{}"},
    ],
    ids=str,
)
def test_wrong_signatures_are_all_told_alike(gateway: House, more: dict[str, Any]) -> None:
    if "hcp-signature" in more.get("change", {}):
        more = {"change": {name: value.encode() for name, value in more["change"].items()}}
    answer = attempt(gateway, **more)
    assert (answer.status_code, kind(answer)) == (401, "signature_wrong")
    assert "WWW-Authenticate" in answer.headers
    assert not gateway.rows()


def test_no_signature_at_all(gateway: House) -> None:
    event = review("C1", channel="terminal")
    answer = gateway.client.post("/v1/events", json=event, headers=ce_headers(event))
    assert (answer.status_code, kind(answer)) == (401, "not_signed")


@pytest.mark.parametrize(("seconds", "status"), [(-301, 401), (-300, 202), (300, 202), (301, 401)])
def test_the_clock_may_be_five_minutes_off(gateway: House, seconds: int, status: int) -> None:
    gateway.clock.now = gateway.clock.now.replace(microsecond=0)
    answer = attempt(gateway, signed={"at": int(gateway.clock().timestamp()) + seconds})
    assert answer.status_code == status
    assert status == 202 or kind(answer) == "clock_skew"


def test_a_request_is_taken_once_also_after_a_restart(tmp_path: Path) -> None:
    clock, settings = Clock(), settings_in(tmp_path)
    event = review("C1", channel="terminal")
    body = json.dumps(event).encode()
    gateway = House(settings, clock=clock)
    headers = ce_headers(event) | gateway.signed(body)
    post = {"content": body, "headers": headers}
    assert gateway.client.post("/v1/events", **post).status_code == 202
    again = gateway.client.post("/v1/events", **post)
    assert (again.status_code, kind(again)) == (409, "nonce_used")
    gateway.close()

    reborn = House(settings, clock=clock)
    assert reborn.client.post("/v1/events", **post).status_code == 409
    clock.move(seconds=599)
    assert reborn.client.post("/v1/events", **post).status_code == 401
    assert len(reborn.rows()) == 1
    reborn.close()


def call(gateway: House, path: str, headers: dict[str, str], body: bytes) -> int:
    """How a request that brings no event is answered."""
    method = "POST" if body else "GET"
    return gateway.client.ask(method, path, content=body, headers=headers).status_code


def statuses_over_a_restart(folder: Path, path: str, device: str, body: bytes) -> list[int]:
    """Of one request: made, made again, made again after a restart within the skew; then with a nonce of its own."""
    clock, settings = Clock(), settings_in(folder)
    told: list[int] = []
    for again in (2, 1):
        gateway = House(settings, clock=clock)
        gateway.way_in.lasting[0]()  # nobody listens for long
        method = "POST" if body else "GET"
        if not told:
            headers = gateway.signed(body, path, device, method=method)
        told += [call(gateway, path, headers, body) for _ in range(again)]
        if len(told) == 3:
            told.append(call(gateway, path, gateway.signed(body, path, device, method=method), body))
        gateway.close()
        clock.move(seconds=200)
    return told


NO_EVENT = [
    ("/v1/invitations", SYSTEM, b'{"case_no": "C1", "channel": "app"}', 201),
    ("/v1/terminals/W1/invite", SYSTEM, b'{"case_no": "C1"}', 200),
    ("/v1/terminals/W1/invitations", TERMINAL, b"", 200),
]


@pytest.mark.parametrize(("path", "device", "body", "taken"), NO_EVENT, ids=["link", "call", "stream"])
def test_what_brings_no_event_is_taken_once_too_also_after_a_restart(
    path: str, device: str, body: bytes, taken: int, tmp_path: Path
) -> None:
    assert statuses_over_a_restart(tmp_path, path, device, body) == [taken, 409, 409, taken]


def test_nonces_that_are_kept_in_memory_are_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broken twin: it knows only what this process has seen."""
    seen: set[tuple[int, str]] = set()

    async def use_up(self: WayIn, nonce: str) -> None:
        if (id(self), nonce) in seen:
            raise NonceUsed
        seen.add((id(self), nonce))

    monkeypatch.setattr(WayIn, "use_up", use_up)
    path, device, body, taken = NO_EVENT[0]
    assert statuses_over_a_restart(tmp_path, path, device, body) == [taken, 409, taken, taken]


def test_a_nonce_is_one_for_events_and_for_everything_else(
    gateway: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.signing.secrets.token_urlsafe", lambda _: "n" * 24)
    path, _, body, _ = NO_EVENT[0]
    assert gateway.send(case("C1"), SYSTEM).status_code == 202
    assert call(gateway, path, gateway.signed(body, path, SYSTEM), body) == 409


def test_where_no_nonce_can_be_kept_nothing_is_taken(gateway: House) -> None:
    path, device, body, _ = NO_EVENT[0]
    headers = gateway.signed(body, path, device)
    gateway.way_in.spool.close()
    refused = gateway.client.post(path, content=body, headers=headers)
    assert (refused.status_code, kind(refused)) == (503, "broken")
    assert int(refused.headers["retry-after"]) > 0


def test_a_batch_is_taken_once(gateway: House) -> None:
    body = json.dumps([envelope(review("C1", channel="terminal"))]).encode()
    headers = gateway.signed(body) | {"content-type": "application/cloudevents-batch+json"}
    statuses = [
        gateway.client.post("/v1/events", content=body, headers=headers).status_code for _ in range(2)
    ]
    assert statuses == [202, 409]


def test_keys_follow_each_other_with_overlap(tmp_path: Path) -> None:
    clock, settings = Clock(), settings_in(tmp_path)
    old = key(settings, TERMINAL, SECRETS[TERMINAL], "k1", not_after=clock() + timedelta(days=7))
    new = key(settings, TERMINAL, b"n" * 32, "k2")
    device = Device(TERMINAL, "terminal", channels=("terminal",), keys=(old, new))
    gateway = House(settings, [device], clock)
    assert attempt(gateway).status_code == 202
    assert attempt(gateway, signed={"key_id": "k2", "secret": b"n" * 32}).status_code == 202
    clock.move(days=7, seconds=1)
    ended = attempt(gateway)
    assert (ended.status_code, kind(ended)) == (401, "key_expired")
    assert attempt(gateway, signed={"key_id": "k2", "secret": b"n" * 32}).status_code == 202
    gateway.close()


def test_a_revoked_device_is_told_so_by_who_has_its_secret(tmp_path: Path) -> None:
    clock, settings = Clock(), settings_in(tmp_path)
    terminal, _ = devices(settings)
    revoked = Device(TERMINAL, "terminal", channels=("terminal",), keys=terminal.keys, revoked_at=clock())
    gateway = House(settings, [revoked], clock)
    answer = attempt(gateway)
    assert (answer.status_code, kind(answer)) == (401, "device_revoked")
    assert kind(attempt(gateway, signed={"secret": b"guessed"})) == "signature_wrong"
    gateway.close()


def test_a_secret_that_was_sealed_for_another_is_nobodys(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    foreign = key(settings, "another", SECRETS[TERMINAL])
    gateway = House(settings, [Device(TERMINAL, "terminal", channels=("terminal",), keys=(foreign,))])
    assert kind(attempt(gateway)) == "signature_wrong"
    gateway.close()
