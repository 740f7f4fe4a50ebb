"""Who signs: known vectors, every way in which a signature is none, what is used once, what no longer holds."""

import hashlib
import json
import random
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

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

AT = 1_795_426_800
SENT = {
    "CE-Id": " e 1\t",
    "ce-a": "2",
    "ce-a1": "3",
    "Content-Type": "Application/JSON; charset=utf-8",
    "x-ce": "9",
}
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


def test_version_1_signs_five_lines() -> None:
    headers = sign("d", "k", b"secret", "POST", "/v1/events?a=b", b"body", SENT, at=AT, version="1")
    lines = [
        "POST",
        "/v1/events?a=b",
        "1795426800",
        headers["hcp-nonce"],
        hashlib.sha256(b"body").hexdigest(),
    ]
    assert headers["hcp-signature"] == signing._mac(b"secret", "hmac-sha256", "\n".join(lines).encode())


def test_version_2_signs_itself_and_the_headers_too() -> None:
    headers = sign("d", "k", b"secret", "POST", "/v1/events?a=b", b"body", SENT, at=AT)
    lines = [
        "2",
        "POST",
        "/v1/events?a=b",
        "1795426800",
        headers["hcp-nonce"],
        hashlib.sha256(b"body").hexdigest(),
        "ce-a1:3",
        "ce-a:2",
        "ce-id:e 1",
        "content-type:Application/JSON; charset=utf-8",
    ]
    assert headers["hcp-signature"] == signing._mac(b"secret", "hmac-sha256", "\n".join(lines).encode())
    assert headers.items() >= SENT.items()


def changed_in(chance: random.Random, value: str) -> str:
    """Another text: a letter put in, or in the place of a character."""
    place = chance.randrange(len(value) + 1)
    before, after = value[:place], value[place:]
    return before + (chance.choice("xyz".replace(after[0], "")) + after[1:] if after else "x")


NAMES = st.one_of(st.just("content-type"), st.from_regex("ce-[a-z0-9]{1,8}", fullmatch=True))
VALUES = st.text(
    st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=30
)


@given(
    st.sampled_from(signing.ALGORITHMS),
    st.binary(min_size=1, max_size=64),
    st.binary(max_size=200),
    st.dictionaries(NAMES, VALUES, min_size=1, max_size=6),
    st.randoms(use_true_random=False),
)
def test_a_signature_holds_for_what_was_signed_and_nothing_else(
    algorithm: str, secret: bytes, body: bytes, headers: dict[str, str], chance: random.Random
) -> None:
    request: dict[str, Any] = {"secret": secret, "method": "POST", "path": "/v1/events?a=b", "body": body}
    shuffled = chance.sample(sorted(headers.items()), len(headers))
    sent = sign("d", "k", **request, headers=dict(shuffled), at=AT, algorithm=algorithm)
    assert Signed.of(sent.items()).is_by(**request)
    cased = {"".join(chance.choice([c, c.upper()]) for c in name): value for name, value in shuffled}
    same = sign("d", "k", **request, headers=cased, at=AT, algorithm=algorithm)
    assert Signed.of([(name.lower(), value) for name, value in same.items()]).is_by(**request)

    for name, value in headers.items():
        others = sent | {name: changed_in(chance, value.strip(" \t"))}
        assert not Signed.of(others.items()).is_by(**request), "a header with another value"
        del others[name]
        assert not Signed.of(others.items()).is_by(**request), "a header less"
    assert not Signed.of((sent | {"ce-new123456": ""}).items()).is_by(**request), "a header more"
    assert not Signed.of((sent | {"hcp-version": "1"}).items()).is_by(**request), "as version 1"
    for name in ("method", "path"):
        assert not Signed.of(sent.items()).is_by(**request | {name: changed_in(chance, request[name])})
    for name in ("secret", "body"):
        assert not Signed.of(sent.items()).is_by(**request | {name: request[name] + b"x"})
    for moved in ({"hcp-time": str(AT + 1)}, {"hcp-nonce": changed_in(chance, sent["hcp-nonce"])}):
        assert not Signed.of((sent | moved).items()).is_by(**request)


@pytest.mark.parametrize("path", ["/v1/events", "/v1/invitations"])
@pytest.mark.parametrize("name", ["ce-id", "ce-source", "content-type"])
def test_a_header_that_is_there_twice_is_none(gateway: House, name: str, path: str) -> None:
    """Whatever of the two somebody would read: the same value as well."""
    event = review("C1", channel="terminal")
    body = json.dumps(event).encode()
    headers = gateway.signed(body, path, headers=ce_headers(event))
    answer = gateway.client.post(path, content=body, headers=[*headers.items(), (name, headers[name])])
    assert (answer.status_code, kind(answer)) == (401, "not_signed")
    assert f"{name} is there twice" in answer.json()["detail"]
    with pytest.raises(NotSigned, match=f"{name} is there twice"):
        sign("d", "k", b"s", "POST", "/", b"", {name: "1", name.upper(): "2"})


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
        ("hcp-version", "3"),
        ("hcp-version", "２"),
        ("hcp-algorithm", "hmac-md5"),
    ],
)
def test_headers_that_say_nothing(name: str, value: str | None) -> None:
    headers = sign("d", "k", b"s", "POST", "/", b"", {}) | ({} if value is None else {name: value})
    if value is None:
        del headers[name]
    with pytest.raises(NotSigned, match=name):
        Signed.of(headers.items())


def kind(answer: Any) -> str:
    document = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert document["status"] == answer.status_code
    return str(document["type"]).removeprefix("urn:hcp:problem:")


def attempt(gateway: House, **more: Any) -> Any:
    """A review, signed by `signed` and then changed in its headers by `change`."""
    event = review("C1", channel="terminal")
    body = json.dumps(event).encode()
    headers = gateway.signed(body, headers=ce_headers(event), **more.pop("signed", {}))
    headers |= more.pop("change", {})
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
        {"change": {"hcp-version": "1"}},
        {"change": {"ce-id": "another"}},
        {"change": {"ce-subject": "C2"}},
        {"change": {"content-type": "application/cloudevents+json"}},
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
    headers = gateway.signed(body, headers=ce_headers(event))
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
    headers = gateway.signed(body, headers={"content-type": "application/cloudevents-batch+json"})
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


def test_version_1_counts_until_its_date_and_version_2_always(tmp_path: Path) -> None:
    clock, settings = Clock(), settings_in(tmp_path)
    terminal, _ = devices(settings)
    gateway = House(settings, [replace(terminal, version_1_until=clock() + timedelta(days=1))], clock)
    for version in ("1", "2"):
        assert attempt(gateway, signed={"version": version}).status_code == 202
    clock.move(days=1)
    ended = attempt(gateway, signed={"version": "1"})
    assert (ended.status_code, kind(ended)) == (401, "signature_outdated")
    assert "hcp-version: 2" in ended.json()["detail"]
    assert kind(attempt(gateway, signed={"version": "1", "secret": b"guessed"})) == "signature_wrong"
    assert attempt(gateway).status_code == 202
    gateway.close()


@pytest.mark.parametrize(
    ("days", "seen", "noted"), [(1, False, [TERMINAL]), (1, True, []), (None, False, [])], ids=str
)
def test_a_device_that_changes_over_is_noted_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days: int | None, seen: bool, noted: list[str]
) -> None:
    clock, settings = Clock(), settings_in(tmp_path)
    terminal, _ = devices(settings)
    until = clock() + timedelta(days=days) if days else None
    one = replace(terminal, version_1_until=until, version_2_seen_at=clock() if seen else None)
    gateway, told = House(settings, [one], clock), list[str]()
    monkeypatch.setattr(gateway.way_in.devices, "saw_version_2", told.append)
    attempt(gateway, signed={"version": "1"})
    attempt(gateway, signed={"secret": b"guessed"})
    assert told == []
    assert attempt(gateway).status_code == 202
    assert told == noted
    gateway.close()


def test_a_request_that_names_no_version_is_of_version_1(tmp_path: Path) -> None:
    clock, settings = Clock(), settings_in(tmp_path)
    terminal, _ = devices(settings)
    gateway = House(settings, [replace(terminal, version_1_until=clock() + timedelta(days=1))], clock)
    event = review("C1", channel="terminal")
    body = json.dumps(event).encode()
    headers = gateway.signed(body, headers=ce_headers(event), version="1")
    del headers["hcp-version"]
    assert gateway.client.post("/v1/events", content=body, headers=headers).status_code == 202
    gateway.close()


def test_a_device_without_a_date_signs_with_version_2_only(gateway: House) -> None:
    answer = attempt(gateway, signed={"version": "1"})
    assert (answer.status_code, kind(answer)) == (401, "signature_outdated")
    assert not gateway.rows()


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
