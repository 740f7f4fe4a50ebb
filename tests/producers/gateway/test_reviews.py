"""/v1/reviews: a citizen's client with a token, and what it is told of its review later."""

from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import msgspec
import pytest

from pipeline.edge import Vouched
from pipeline.sealing import Sealer
from producers.gateway.received import Received
from producers.tokens import CaseToken, Claims, Kind, Place, new_id
from schemas.codes import Channel
from schemas.identifiers import uuid7
from tests.consumers.client import Client
from tests.harness import case, now
from tests.producers.gateway.house import SYSTEM, House, house, vouched
from tests.producers.gateway.test_events import at_window

PHONE = "13800001111"


def place() -> Place:
    return Place(token_id=new_id(), kind=Kind.WINDOW, name="1号窗口", hall_code="H1", window_code="W1")


def service(gateway: House, case_no: str = "C1") -> CaseToken:
    token_id = gateway.way_in.tokens.case_id(case_no, 1)
    return CaseToken(token_id=token_id, case_no=case_no, dept_code="D1", channel=Channel.MINI_PROGRAM)


def bearer(gateway: House, claims: Claims, days: float = 1) -> dict[str, str]:
    token = gateway.way_in.tokens.make(claims, gateway.clock() + timedelta(days=days))
    return {"authorization": f"Bearer {token}"}


def said(**fields: Any) -> dict[str, Any]:
    return {"event_id": str(uuid7()), "satisfaction": 2, "submitted_at": now(minutes=1)} | fields


def submit(
    gateway: House, headers: dict[str, str], client: Client | None = None, **fields: Any
) -> httpx.Response:
    return (client or gateway.client).post("/v1/reviews", json=said(**fields), headers=headers)


def kind(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"].removeprefix("urn:hcp:problem:")


def test_a_review_of_what_the_token_is_for_whatever_the_body_says(gateway: House) -> None:
    answer = submit(
        gateway, bearer(gateway, place()), case_no="C9", window_code="W9", channel="pc", device_id="x"
    )
    assert answer.status_code == 202
    (kept,) = gateway.values()
    assert (kept["window_code"], kept["hall_code"], kept["channel"]) == ("W1", "H1", "qr")
    assert {"case_no", "device_id"}.isdisjoint(kept)
    assert dict(gateway.rows()[0].record.headers)["ce_source"] == b"/api"


def test_a_review_is_signed_as_of_whoever_issued_the_link_else_of_the_open_web(gateway: House) -> None:
    issued = msgspec.structs.replace(service(gateway), issuer="/system/platform-1")
    for claims in (issued, service(gateway, "C2"), place()):
        assert submit(gateway, bearer(gateway, claims)).status_code == 202
    said = [vouched(gateway.settings, row) for row in gateway.rows()]
    assert said == [Vouched(who, gateway.clock()) for who in ("/system/platform-1", "/api", "/api")]


def test_a_case_token_admits_one_review_and_one_follow_up(gateway: House) -> None:
    headers = bearer(gateway, service(gateway))
    first = said(comment="等了很久")
    assert submit(gateway, headers, **first).status_code == 202
    assert submit(gateway, headers, **first).json()["seen_before"] is True
    assert kind(submit(gateway, headers)) == (409, "already_reviewed")
    assert kind(submit(gateway, bearer(gateway, service(gateway)))) == (409, "already_reviewed")
    assert submit(gateway, headers, review_no=2).status_code == 202
    assert kind(submit(gateway, headers, review_no=2)) == (409, "already_reviewed")
    assert submit(gateway, bearer(gateway, service(gateway, "C2"))).status_code == 202
    assert [(one["case_no"], one.get("review_no", 1)) for one in gateway.values()] == [
        ("C1", 1),
        ("C1", 2),
        ("C2", 1),
    ]


def test_another_gateway_knows_of_no_review_and_takes_one_more(gateway: House, tmp_path: Path) -> None:
    """As docs/operations.md says: of the two the ledger makes a conflict, and nothing is lost."""
    headers = bearer(gateway, service(gateway))
    first, second = said(), said()
    assert submit(gateway, headers, **first).status_code == 202
    with house(tmp_path / "other") as other:
        assert kind(other.client.get(f"/v1/reviews/{first['event_id']}")) == (503, "ledger_away")
        assert submit(other, headers, **second).status_code == 202
        assert kind(submit(other, headers)) == (409, "already_reviewed")
        keys = {row.record.key for one in (gateway, other) for row in one.rows()}
    assert keys == {b"C1"}, "one partition, where they meet"


def test_a_place_token_admits_any_number(gateway: House) -> None:
    headers = bearer(gateway, place())
    assert [submit(gateway, headers).status_code for _ in range(3)] == [202] * 3


@pytest.mark.parametrize(
    ("headers", "problem"),
    [
        ({}, "token_missing"),
        ({"authorization": "Bearer "}, "token_missing"),
        ({"authorization": "Basic aGNwOng="}, "token_missing"),
        ({"authorization": "Bearer forged"}, "token_bad"),
        ({"authorization": "Bearer 1test.forged.x"}, "token_bad"),
    ],
    ids=str,
)
def test_without_a_token_of_ours(gateway: House, headers: dict[str, str], problem: str) -> None:
    answer = submit(gateway, headers)
    assert kind(answer) == (401, problem)
    assert answer.headers["www-authenticate"] == "Bearer"
    assert "forged" not in answer.text


def test_a_token_ends_and_is_never_read_from_the_url(gateway: House) -> None:
    headers = bearer(gateway, place(), days=1)
    token = headers["authorization"].removeprefix("Bearer ")
    url = f"/v1/reviews?token={token}&authorization=Bearer%20{token}"
    assert kind(gateway.client.post(url, json=said())) == (401, "token_missing")
    gateway.clock.move(days=1)
    assert kind(submit(gateway, headers)) == (401, "token_expired")


@pytest.mark.parametrize(
    ("fields", "reason", "field"),
    [
        ({"event_id": "my-review-1"}, "out_of_range", "event_id"),
        ({"event_id": "0199A000-0000-7000-8000-00000000ABCD"}, "out_of_range", "event_id"),
        ({"event_id": None}, "missing_field", "event_id"),
        ({"submitted_at": None}, "missing_field", "submitted_at"),
        ({"satisfaction": 0}, "out_of_range", "satisfaction"),
        ({"reviewer": "s1.test.abc"}, "wrong_type", "reviewer"),
        ({"reviewer": [PHONE]}, "wrong_type", "reviewer"),
    ],
    ids=str,
)
def test_what_breaks_the_contract(gateway: House, fields: dict[str, Any], reason: str, field: str) -> None:
    answer = submit(gateway, bearer(gateway, place()), **fields)
    assert kind(answer) == (422, "invalid_event")
    assert (answer.json()["reason"], answer.json()["field"]) == (reason, field)
    assert PHONE not in answer.text


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"{", b"\xff", b"[" * 60_000])
def test_a_body_that_is_no_object(gateway: House, body: bytes) -> None:
    answer = gateway.client.post("/v1/reviews", content=body, headers=bearer(gateway, place()))
    assert kind(answer) == (400, "invalid_event")


def test_who_leaves_a_phone_is_named_and_sealed(gateway: House) -> None:
    headers = bearer(gateway, place())
    assert submit(gateway, headers, reviewer={"phone": PHONE}).status_code == 202
    assert submit(gateway, headers, reviewer={"phone": PHONE}, real_name=False).status_code == 202
    assert submit(gateway, headers, reviewer={"name": "王"}).status_code == 202
    named, unnamed, nameless = gateway.values()
    assert named["real_name"] is True
    assert "real_name" not in unnamed
    assert "real_name" not in nameless
    sealer = Sealer(gateway.settings.seal)
    assert sealer.open_reviewer(named["event_id"], named["reviewer"]).phone == PHONE
    assert named["reviewer_mark"] == unnamed["reviewer_mark"] == sealer.mark(PHONE)


def test_so_many_a_minute_with_one_token_from_one_address(tmp_path: Path) -> None:
    with house(tmp_path, token_per_minute=2, address_per_minute=5) as gateway:
        headers = bearer(gateway, place())
        answers = [submit(gateway, headers) for _ in range(3)]
        assert [one.status_code for one in answers] == [202, 202, 429]
        assert answers[0].headers["ratelimit-policy"] == (
            '"address";q=5;w=60, "token";q=2;w=60, "token-total";q=600;w=60'
        )
        assert answers[0].headers["ratelimit"].startswith('"address";r=4;t=60, "token";r=1;t=')
        assert answers[2].headers["ratelimit"].startswith('"token";r=0;t=')
        assert 1 <= int(answers[2].headers["retry-after"]) <= 60
        assert kind(answers[2]) == (429, "too_many")
        assert submit(gateway, bearer(gateway, place())).status_code == 202, "another token"
        assert submit(gateway, headers, Client(gateway.app, "198.51.100.1")).status_code == 202


def test_so_many_a_minute_with_one_token_from_all_addresses(tmp_path: Path) -> None:
    with house(tmp_path, token_total_per_minute=3) as gateway:
        headers = bearer(gateway, place())
        answers = [
            submit(gateway, headers, Client(gateway.app, f"198.51.100.{n}")).status_code for n in range(5)
        ]
        assert answers == [202, 202, 202, 429, 429]
        again = submit(gateway, headers, Client(gateway.app, "198.51.100.9"))
        assert again.headers["ratelimit"].startswith('"token-total";r=0;t=')
        assert submit(gateway, bearer(gateway, place())).status_code == 202, "another token"


def test_forged_forwarding_does_not_widen_the_limit(tmp_path: Path) -> None:
    with house(tmp_path, address_per_minute=3, trusted_proxies=["10.0.0.1"]) as gateway:
        path = f"/v1/reviews/{uuid7()}"

        def asked(peer: str, *forwarded: str) -> int:
            headers = [("x-forwarded-for", one) for one in forwarded]
            return Client(gateway.app, peer).get(path, headers=headers).status_code

        direct = [asked("203.0.113.7", f"198.51.100.{n}") for n in range(4)]
        assert direct == [503, 503, 503, 429]
        behind = [asked("10.0.0.1", f"198.51.100.{n}", "192.0.2.1") for n in range(4)]
        assert behind == [503, 503, 503, 429]
        assert asked("10.0.0.1", "192.0.2.1, 192.0.2.2") == 503


def test_whoever_hides_his_address_shares_one_limit(tmp_path: Path) -> None:
    """A proxy that says `unknown`, or what a caller made it say: not a limit for each, nor the proxy's own."""
    with house(tmp_path, address_per_minute=3, trusted_proxies=["10.0.0.1"]) as gateway:
        hidden = ["unknown", "_a1", "192.0.2.1,", "nonsense", "999.1.1.1"]
        answers = [
            Client(gateway.app, "10.0.0.1").get("/r/receipt", headers={"x-forwarded-for": one}).status_code
            for one in hidden
        ]
        assert answers == [200, 200, 200, 429, 429]
        assert Client(gateway.app, "10.0.0.1").get("/r/receipt").status_code == 200, "the proxy itself"
        forwarded = {"x-forwarded-for": "unknown"}
        assert Client(gateway.app, "10.0.0.1").get("/metrics").status_code == 200
        assert Client(gateway.app, "10.0.0.1").get("/metrics", headers=forwarded).status_code == 404


def test_also_who_guesses_tokens_is_counted(tmp_path: Path) -> None:
    with house(tmp_path, address_per_minute=2) as gateway:
        answers = [submit(gateway, {"authorization": f"Bearer {n}"}) for n in range(3)]
        assert [one.status_code for one in answers] == [401, 401, 429]
        assert "ratelimit" in answers[0].headers


def test_how_far_a_review_has_come(gateway: House) -> None:
    event = said()
    taken = submit(gateway, bearer(gateway, service(gateway)), **event).json()
    path = f"/v1/reviews/{event['event_id']}"
    waiting = gateway.client.get(path)
    assert waiting.json() == {
        "event_id": event["event_id"],
        "state": "waiting",
        "received_at": taken["received_at"],
    }
    gateway.way_in.spool.mark_sent(gateway.rows())
    assert gateway.client.get(path).json()["state"] == "stored-in-log", "the ledger is away"
    assert "C1" not in gateway.client.get(path).text


def test_a_review_that_was_set_aside(gateway: House) -> None:
    event = said()
    submit(gateway, bearer(gateway, place()), **event)
    gateway.way_in.spool.set_aside(gateway.rows()[0].seq, "too_large")
    assert gateway.client.get(f"/v1/reviews/{event['event_id']}").json()["state"] == "set-aside"


def test_nothing_is_told_of_what_is_no_review(gateway: House) -> None:
    of_case = case("C1")
    assert gateway.send(of_case, SYSTEM).status_code == 202
    for event_id in (of_case["event_id"], str(uuid7())):
        answer = gateway.client.get(f"/v1/reviews/{event_id}")
        assert kind(answer) == (503, "ledger_away"), "only the ledger could know"
        assert int(answer.headers["retry-after"]) > 0


@pytest.mark.parametrize("said", ["", "%20", "%00", "x" * 65, "x" * 30_000, "%F0%A0%AE%B7" * 65])
def test_for_what_no_event_is_called_nobody_is_asked(
    gateway: House, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    """Anybody may ask: what lies behind it must not be made to search for what cannot be there."""
    asked = list[str]()

    async def find(_: Received, event_id: str) -> None:
        asked.append(event_id)

    monkeypatch.setattr(Received, "find", find)
    assert kind(gateway.client.get(f"/v1/reviews/{said}")) == (404, "unknown_review")
    assert asked == []
    assert kind(gateway.client.get("/v1/reviews/%20EVT-1%0A")) == (404, "unknown_review")
    assert asked == ["EVT-1"], "cleaned as the contract cleans it"


def test_what_is_asked_for_is_in_no_log_and_in_no_problem(
    gateway: House, caplog: pytest.LogCaptureFixture
) -> None:
    """An id is the sender's choice, and may hold what nobody should read."""
    with caplog.at_level(0):
        answer = gateway.client.get(f"/v1/reviews/EVT-{PHONE}")
    assert kind(answer) == (503, "ledger_away")
    ours = [vars(record) for record in caplog.records if record.name.startswith(("producers", "pipeline"))]
    assert ours, "the ledger is away, and that is logged"
    assert PHONE not in answer.text + str(ours)


@pytest.mark.parametrize(
    "event_id", ["EVT-2026-0001", "019A0000-0000-7000-8000-000000000001", "2026/11/28 #7", "x" * 64]
)
def test_a_review_is_found_under_whatever_id_it_was_taken(gateway: House, event_id: str) -> None:
    """The contract takes any 1 to 64 characters; a sender who is told that it is unknown sends it again for ever."""
    assert gateway.send(at_window(event_id=event_id)).status_code == 202
    found = gateway.client.get(f"/v1/reviews/{quote(event_id, safe='')}")
    assert (found.status_code, found.json()["event_id"]) == (200, event_id)


def test_one_phone_has_one_mark_however_a_client_writes_it(gateway: House) -> None:
    token = bearer(gateway, place())
    for phone in (PHONE, "138-0000-1111", "+86 138 0000 1111"):
        submit(gateway, token, **said(reviewer={"phone": phone}))
    assert len({value["reviewer_mark"] for value in gateway.values()}) == 1
