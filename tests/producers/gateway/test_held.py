"""How long one request holds the event loop, and with it all others: 50 ms at most, whatever it says.

Each of these took the loop longer than that once, up to 40 s, or is a neighbour of one that did.
"""

import asyncio
import json
import time
from collections.abc import Callable, Coroutine
from datetime import timedelta
from itertools import pairwise
from typing import Any
from urllib.parse import quote, unquote

import pytest
from starlette.types import Message, Scope

from producers.gateway.address import Proxies
from producers.gateway.body import replay
from producers.gateway.cloudevents import BATCH, BINARY, STRUCTURED
from producers.gateway.events import BATCH_BODY, PATH
from producers.gateway.guard import BODY
from producers.qr.form import MAX_COMMENT
from producers.tokens import Kind, Place
from schemas.identifiers import uuid7
from schemas.reading import MAX_BYTES
from tests.harness import review
from tests.held import MOST_SECONDS, TRIES, watched
from tests.producers.gateway.house import REVIEW, SYSTEM, TERMINAL, House, ce_headers

MARKS = "\u0301\u0323"
"""Two combining marks in the wrong order: each pair has to be turned round, past all that stand before it."""
LIGATURE = "\ufdfa"
"""One character that stands for eighteen."""


Headers = Callable[[], dict[str, str]]


def held_by(gateway: House, target: str, headers: Headers, body: bytes = b"") -> tuple[float, int]:
    """The least of several tries, and the status of the last: of the application alone, without a server or a client."""
    least, status = 10.0, 0
    for _ in range(TRIES):
        said_with = headers()
        with watched() as held:
            status = asyncio.run(asked(gateway, target, said_with, body))
        least = min(least, held.longest)
    return least, status


async def asked(gateway: House, target: str, headers: dict[str, str], body: bytes) -> int:
    """The status that the application answers: to a GET, or with a body to a POST."""
    path, _, query = target.partition("?")
    scope: Scope = {
        "type": "http",
        "method": "POST" if body else "GET",
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.lower().encode(), text.encode()) for name, text in headers.items()],
        "client": ("127.0.0.1", 40_000),
    }
    statuses: list[int] = []

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    await gateway.app(scope, replay(body), send)
    return statuses[0]


def signed(
    gateway: House, body: bytes, form: str, path: str = PATH, device: str = TERMINAL, **more: str
) -> Headers:
    """The headers of a request that a device sends, signed anew for each try. `more`: others that it sends."""
    told = ce_headers(said()) | {"content-type": form} | more
    return lambda: gateway.signed(body, path=path, device=device, headers=told)


def filled(length: int, before: str, piece: str, after: str) -> bytes:
    """`piece` between the two as often as there is room for, in so many bytes."""
    room = length - len((before + after).encode())
    return (before + piece * (room // len(piece.encode())) + after).encode()


def said(**more: Any) -> dict[str, Any]:
    return review("C1", channel="terminal", device_id=TERMINAL, event_id="e1") | more


def opened(**more: Any) -> str:
    """The JSON of a review, without its closing brace."""
    return json.dumps(said(**more), ensure_ascii=False)[:-1]


_KEYS = ",".join(f'"{number:x}":{{}}' for number in range(5_000))
EVENTS = {
    "marks in a comment": json.dumps(said(comment="a" + MARKS * 999), ensure_ascii=False).encode(),
    "marks in a comment too long": filled(MAX_BYTES, f'{opened()},"comment":"', MARKS, '"}'),
    "marks in a phone": filled(MAX_BYTES, f'{opened()},"reviewer":{{"phone":"', MARKS, '"}}'),
    "ligatures in a phone": filled(MAX_BYTES, f'{opened()},"reviewer":{{"phone":"', LIGATURE, '"}}'),
    "hyphens in a phone": filled(MAX_BYTES, f'{opened()},"reviewer":{{"phone":"1', "- ", 'x"}}'),
    "marks in a name": filled(MAX_BYTES, f'{opened()},"reviewer":{{"name":"', MARKS, '"}}'),
    "marks in a field's name": filled(MAX_BYTES, f'{opened()},"x', MARKS, '":1}'),
    "ligatures in a field's name": filled(MAX_BYTES, f'{opened()},"x', LIGATURE, '":1}'),
    "marks in many names": filled(MAX_BYTES, f'{opened()},"x":[1', f',{{"{MARKS * 128}":1}}', "]}"),
    "escapes": filled(MAX_BYTES, f'{opened()},"comment":"', "\\u0301", '"}'),
    "escapes in an unknown field": filled(MAX_BYTES, f'{opened()},"x":"', "\\u0301\\u0323", '"}'),
    "many fields": f"{opened()},{_KEYS[: MAX_BYTES - 1000].rpartition(',')[0]}}}".encode(),
    "many objects": filled(MAX_BYTES, f'{opened()},"x":[1', ',{"a":1}', "]}"),
    "many numbers": filled(MAX_BYTES, f'{opened()},"x":[1', ",1", "]}"),
    "many tags": filled(MAX_BYTES, f'{opened()},"reason_codes":["1"', ',"1"', "]}"),
    "deep objects": filled(6_000, opened(), ',"x":{"a":1', "}" * 300),
    "deep lists": filled(MAX_BYTES, f'{opened()},"x":', "[", ""),
    "a huge number": filled(MAX_BYTES, f'{opened()},"device_seq":', "9", "}"),
    "a huge unknown number": filled(MAX_BYTES, f'{opened()},"x":', "9", "}"),
    "a long fraction": filled(MAX_BYTES, f'{opened()},"satisfaction":5.', "0", "1}"),
    "a sealed reviewer": filled(MAX_BYTES, f'{opened()},"reviewer":"s1.test.', "A", '"}'),
    "no JSON": filled(MAX_BYTES, opened(), ',"x":[1', ""),
}


@pytest.mark.parametrize("name", EVENTS)
def test_one_event(gateway: House, name: str) -> None:
    """In binary form, as large as the contract lets it be."""
    body = EVENTS[name]
    assert len(body) <= MAX_BYTES
    seconds, status = held_by(gateway, PATH, signed(gateway, body, BINARY), body)
    assert status in {202, 400, 413, 422}
    assert seconds < MOST_SECONDS


def _envelope(data: str, ce_id: str = "") -> str:
    attributes = {"specversion": "1.0", "id": ce_id or str(uuid7()), "source": "/t", "type": REVIEW}
    return json.dumps(attributes)[:-1] + f',"data":{data}}}'


def _batch_of(data: Callable[[str], str]) -> bytes:
    """As many events as a batch may have, in as many bytes."""
    made: list[str] = []
    length = 2
    while len(made) < 500:
        event_id = str(uuid7())
        one = _envelope(data(event_id), event_id)
        length += len(one.encode()) + 1
        if length > BATCH_BODY:
            break
        made.append(one)
    return f"[{','.join(made)}]".encode()


def _full(more: str) -> Callable[[str], str]:
    return lambda event_id: f"{opened(event_id=event_id)}{more}}}"


BATCHES = {
    "500 reviews": lambda: _batch_of(_full("")),
    "comments of marks": lambda: _batch_of(_full(f',"comment":"{MARKS * 1000}"')),
    "unknown fields of marks": lambda: _batch_of(_full(f',"x{MARKS * 127}":"{MARKS * 10_000}"')),
    "phones of marks": lambda: _batch_of(_full(f',"reviewer":{{"phone":"{MARKS * 15_000}"}}')),
    "names too long": lambda: _batch_of(_full(f',"{MARKS * 15_000}":1')),
    "large unknown fields": lambda: _batch_of(_full(',"x":[' + '{"a":1},' * 7_000 + "1]")),
    "one event": lambda: filled(BATCH_BODY, "[" + _envelope("{}")[:-3] + '{"x":[', "{},", "1]}}]"),
    "half a million numbers": lambda: filled(BATCH_BODY, "[", "1,", "1]"),
    "no events but lists": lambda: filled(BATCH_BODY, "[", "[],", "1]"),
    "an object": lambda: filled(BATCH_BODY, '{"a":[', "{},", "1]}"),
    "no JSON": lambda: filled(BATCH_BODY, "[[", "[],", ""),
    "one list": lambda: filled(BATCH_BODY, "[[", "[],", "1]]"),
    "a huge number": lambda: filled(BATCH_BODY, "[", "1", "]"),
    "deep": lambda: filled(BATCH_BODY, "", "[", ""),
}


@pytest.mark.parametrize("name", BATCHES)
def test_a_batch_of_the_largest_size(gateway: House, name: str) -> None:
    body = BATCHES[name]()
    assert len(body) <= BATCH_BODY
    seconds, status = held_by(gateway, PATH, signed(gateway, body, BATCH), body)
    assert status in {202, 207, 400, 413, 422}
    assert seconds < MOST_SECONDS


@pytest.mark.parametrize(
    "body",
    [
        filled(BODY, '{"data":[', "{},", "1]}"),
        filled(BODY, '{"specversion":"1.0","data_base64":"', "A", '"}'),
        filled(BODY, '{"data":', "[", ""),
    ],
    ids=range(3),
)
def test_an_envelope_of_the_largest_size(gateway: House, body: bytes) -> None:
    seconds, status = held_by(gateway, PATH, signed(gateway, body, STRUCTURED), body)
    assert status in {400, 422}
    assert seconds < MOST_SECONDS


def test_others_come_between_the_events_of_batches(gateway: House) -> None:
    """Three batches at once: who asks meanwhile waits for a piece of one of them, not for all three."""
    body = BATCHES["comments of marks"]()
    headers = signed(gateway, body, BATCH)
    least = 10.0
    for _ in range(TRIES):
        statuses, turns = asyncio.run(
            _watched_by_another([asked(gateway, PATH, headers(), body) for _ in range(3)])
        )
        assert set(statuses) <= {202, 207}
        least = min(least, max(after - before for before, after in pairwise(turns)))
    assert least < MOST_SECONDS


async def _watched_by_another(requests: list[Coroutine[Any, Any, int]]) -> tuple[list[int], list[float]]:
    """The statuses, and when (of the processor's time) somebody else had his turn meanwhile."""
    turns: list[float] = []

    async def another() -> None:
        while True:
            turns.append(time.thread_time())
            await asyncio.sleep(0)

    watching = asyncio.create_task(another())
    statuses = await asyncio.gather(*requests)
    watching.cancel()
    return statuses, turns


def token(gateway: House) -> str:
    claims = Place(token_id="t", kind=Kind.WINDOW, name="1号窗口", window_code="W1")
    return gateway.way_in.tokens.make(claims, gateway.clock.now + timedelta(days=1))


FORMS = {
    "marks in the phone": filled(BODY, "level=5&phone=", MARKS, ""),
    "marks in the phone, quoted": filled(BODY, "level=5&phone=", quote(MARKS), ""),
    "marks in the identity number": filled(BODY, "level=5&id_number=", MARKS, ""),
    "marks in the name": filled(BODY, "level=5&name=", MARKS, ""),
    "marks in the comment": filled(BODY, f"level=5&comment={MARKS * 1000}&x=", "a", ""),
    "quotes in the comment": filled(BODY, "level=5&comment=", "'", ""),
    "many fields": filled(BODY, "a", "&a=1", ""),
    "many tags": filled(BODY, "level=5", "&reasons=1", ""),
    "many reasons within the limit": filled(BODY, "level=5" + "&reasons=501" * 98 + "&comment=", "%E4", ""),
    "no form": filled(BODY, "", "%", ""),
    "a long id": filled(BODY, "level=5&event_id=", "0", ""),
}


@pytest.mark.parametrize("name", FORMS)
def test_a_citizens_form(open_house: House, name: str) -> None:
    """The page comes back with what to mend, compressed, as a browser asks for it."""
    headers = {"accept-encoding": "gzip"}
    seconds, status = held_by(open_house, f"/r/{token(open_house)}", lambda: headers, FORMS[name])
    assert status in {303, 422}
    assert seconds < MOST_SECONDS


ROOM = BODY - 500
"""For what the token says besides."""
CITIZEN = {
    "event_id": "019ab0c2-6e2f-7b4c-8d17-3f5a6b7c8d9e",
    "satisfaction": 5,
    "submitted_at": "2026-11-23T15:25:00+08:00",
}
_CITIZEN = json.dumps(CITIZEN)[:-1]


@pytest.mark.parametrize(
    "body",
    [
        filled(ROOM, f'{_CITIZEN},"reviewer":{{"phone":"', MARKS, '"}}'),
        filled(ROOM, f'{_CITIZEN},"reviewer":{{"id_number":"', LIGATURE, '"}}'),
        filled(ROOM, f'{_CITIZEN},"comment":"', MARKS, '"}'),
        filled(ROOM, f'{_CITIZEN},"reviewer":{{"a":[', "{},", "1]}}"),
        filled(ROOM, '{"a":[', "{},", "1]}"),
        filled(ROOM, f'{_CITIZEN},"reviewer":"s1.test.', "A", '"}'),
    ],
    ids=range(6),
)
def test_a_citizens_review(open_house: House, body: bytes) -> None:
    headers = {"authorization": f"Bearer {token(open_house)}"}
    seconds, status = held_by(open_house, "/v1/reviews", lambda: headers, body)
    assert status in {202, 413, 422}
    assert seconds < MOST_SECONDS


@pytest.mark.parametrize("path", ["/v1/invitations", "/v1/terminals/W1/invite"])
@pytest.mark.parametrize("field", ["phone", "case_no", "item_name", "unknown"])
def test_what_a_system_asks_for(gateway: House, path: str, field: str) -> None:
    body = filled(BODY, f'{{"case_no":"C1","channel":"app","{field}":"', MARKS, '"}')
    seconds, status = held_by(gateway, path, signed(gateway, body, BINARY, path, SYSTEM), body)
    assert status in {200, 201, 422}
    assert seconds < MOST_SECONDS


LONG = 60_000
"""Characters of an address or a header: more than the server takes."""


@pytest.mark.parametrize(
    ("target", "headers"),
    [
        ("/v1/reviews/" + quote(MARKS) * (LONG // 12), {}),
        ("/v1/reviews/" + quote(LIGATURE) * (LONG // 9), {}),
        ("/r/" + "1test." * (LONG // 6), {}),
        ("/r/receipt?number=" + quote(MARKS) * (LONG // 12), {}),
        ("/r/receipt?number=" + "A-" * (LONG // 2), {}),
        ("/r/receipt?" + "a&" * (LONG // 2), {}),
        ("/r/receipt?" + "%E4=&" * (LONG // 5), {}),
        ("/v1/reviews/x", {"accept": "," * LONG}),
        ("/v1/reviews/x", {"accept": "a;q=0." + "0" * LONG}),
        ("/v1/reviews/x", {"x-forwarded-for": ",".join(["127.0.0.1"] * (LONG // 10))}),
        ("/v1/reviews/x", {"x-forwarded-for": "," * LONG}),
        ("/v1/reviews/x", {"x-forwarded-for": "1" * LONG}),
        ("/r/receipt", {"accept-encoding": "gzip," * (LONG // 5)}),
        ("/v1/reviews/x", {"x" * LONG: "1"}),
        ("/v1/reviews/x", {f"x-{number}": "1" for number in range(LONG // 10)}),
    ],
    ids=range(15),
)
def test_addresses_and_headers(open_house: House, target: str, headers: dict[str, str]) -> None:
    open_house.way_in.proxies = Proxies(["127.0.0.1"])
    seconds, status = held_by(open_house, target, lambda: headers)
    assert status in {200, 404, 406, 414, 422, 503}, "503: the database is nowhere"
    assert seconds < MOST_SECONDS


@pytest.mark.parametrize(
    "name", ["ce-id", "ce-source", "hcp-nonce", "hcp-signature", "content-type", "accept"]
)
def test_headers_of_an_event(gateway: House, name: str) -> None:
    body = json.dumps(said()).encode()
    for text in (quote(MARKS) * (LONG // 12), ";charset=" * (LONG // 9), "," * LONG):
        headers = signed(gateway, body, BINARY, **{name: text})
        seconds, status = held_by(gateway, PATH, lambda: headers() | {name: text}, body)  # noqa: B023  called here
        assert 200 <= status < 500
        assert seconds < MOST_SECONDS


def test_a_comment_at_its_limit_is_taken_within_half_of_it(gateway: House) -> None:
    """2,000 characters in the order that costs most."""
    marks = "\u0301" * (MAX_COMMENT // 2) + "\u0323" * (MAX_COMMENT // 2)
    body = json.dumps(said(comment=marks)).encode()
    seconds, status = held_by(gateway, PATH, signed(gateway, body, BINARY), body)
    assert status == 202
    assert seconds < MOST_SECONDS / 2
