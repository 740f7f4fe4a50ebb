"""Events that something has happened to: a field gone, odd, doubled; bytes cut, flipped, put in; signed all the same."""

import asyncio
import json
import random
from collections.abc import Callable
from typing import Any

from tests.harness import case, review
from tests.producers.gateway.house import SYSTEM, TERMINAL, House, ce_headers, envelope
from tests.producers.gateway.noted import Noted

ODD: list[Any] = [
    None,
    True,
    0,
    -1,
    1.5,
    2**63,
    10**40,
    "",
    " ",
    "\x00",
    "\u202e",
    "甲" * 70,
    "x" * 3000,
    [],
    {},
    [[[[]]]],
    {"a": {"b": 1}},
    "2026-11-23",
    "9999-12-31T23:59:59Z",
    "0001-01-01T00:00:00+00:00",
    "2026-02-30T00:00:00Z",
    "2026-11-23T24:00:00Z",
    "2016-12-31T23:59:60Z",
    ["501"] * 20,
    "s1.test.AAAAAAAAAAAAAAAAAAAAAAAA",
]
FORMS = ("application/json", "application/cloudevents+json", "application/cloudevents-batch+json")
Event = dict[str, Any]


def drop(chance: random.Random, event: Event) -> None:
    del event[chance.choice(list(event))]


def oddity(chance: random.Random, event: Event) -> None:
    event[chance.choice([*event, "reviewer", "received_at", "device_seq", "device_prev"])] = chance.choice(
        ODD
    )


def swap(chance: random.Random, event: Event) -> None:
    one, other = chance.sample(list(event), 2)
    event[one], event[other] = event[other], event[one]


def nothing(chance: random.Random, event: Event) -> None:
    """A valid event among the broken ones."""


def cut(chance: random.Random, body: bytes) -> bytes:
    return body[: chance.randrange(len(body))]


def flip(chance: random.Random, body: bytes) -> bytes:
    at = chance.randrange(len(body))
    return body[:at] + bytes([body[at] ^ 1 << chance.randrange(8)]) + body[at + 1 :]


def insert(chance: random.Random, body: bytes) -> bytes:
    at = chance.randrange(len(body))
    return (
        body[:at]
        + chance.choice([b'"', b"{", b"]", b"\\u0000", b"\\ud800", b"\xff", b",", b"e9"])
        + body[at:]
    )


def double(chance: random.Random, body: bytes) -> bytes:
    return body[:-1] + b', "satisfaction": 1, "case_no": "C2"}' if chance.random() < 0.5 else body * 2


FIELDS: list[Callable[[random.Random, Event], None]] = [nothing, drop, oddity, oddity, swap]
BYTES: list[Callable[[random.Random, bytes], bytes]] = [cut, flip, flip, insert, double]


def mutant(chance: random.Random, event: Event, form: str) -> bytes:
    """The body of a request that carries this event, after something has happened to it or to what it is wrapped in."""
    chance.choice(FIELDS)(chance, event)
    wrapped = envelope(event | {"event_id": event.get("event_id", "none")}) | {"data": event}
    told: Any = event if form == FORMS[0] else wrapped if form == FORMS[1] else [wrapped, wrapped]
    body = json.dumps(told, ensure_ascii=chance.random() < 0.5).encode("utf-8", "surrogatepass")
    return chance.choice(BYTES)(chance, body) if chance.random() < 0.4 else body


async def bombard(gateway: House, number: int, seed: int, at_once: int = 32) -> Noted:
    """So many mutants through the application, all signed; how they were answered.

    Raises AssertionError for a 5xx, and for a refusal that is no problem document.
    """
    chance, noted = random.Random(seed), Noted()
    todo = iter(range(number))

    async def sender() -> None:
        for _ in todo:
            await _one(gateway, chance, noted)

    await asyncio.gather(*(sender() for _ in range(at_once)))
    return noted


async def _one(gateway: House, chance: random.Random, noted: Noted) -> None:
    reviewed = chance.random() < 0.7
    event = review("C1", channel="terminal", dept_code="D1") if reviewed else case("C1")
    device, form = (TERMINAL if reviewed else SYSTEM), chance.choice(FORMS)
    attributes = ce_headers(event) | {"content-type": form}
    body = mutant(chance, event, form)
    headers = gateway.signed(body, device=device, headers=attributes)
    status, media, answer = await post(gateway, headers, body)
    assert status in {202, 207, 400, 403, 413, 422}, (status, body)
    assert json.loads(answer)
    noted.note(status, media, answer)


async def post(gateway: House, headers: dict[str, str], body: bytes) -> tuple[int, str, bytes]:
    """Status, media type and body of the answer to this request, without a client in between."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": body}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/events",
        "raw_path": b"/v1/events",
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 1),
    }
    await gateway.app(scope, receive, send)
    start, *parts = sent
    media = dict(start["headers"])[b"content-type"].decode()
    return start["status"], media, b"".join(part.get("body", b"") for part in parts)
