"""Into a gateway: signed, as one batch, each event by its own answer; and what the gateway may say, however odd."""

import json
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from pipeline.signing import Signed
from producers.spool.forwarder import Forwarder
from producers.spool.http_sink import HttpSink, Sender
from producers.spool.record import Record, Row
from producers.spool.sink import Refused, Unsent
from schemas.cloudevents import SENT_DIGEST, cloud_headers
from schemas.topics import Stream
from tests.harness import review
from tests.producers.gateway.house import SECRETS, TERMINAL, House, house
from tests.producers.spool.making import record, spool
from tests.wait import wait_for

SENDER = Sender("terminal-1", "k1", secrets.token_bytes(32))
Answer = tuple[int, dict[str, str], bytes]


class Stub(HTTPServer):
    """A gateway that answers as it is told, and remembers what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answer: Answer = (202, {}, b'{"results":[]}')
        self.asked: list[tuple[str, dict[str, str], bytes]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def says(self, *results: dict[str, Any]) -> None:
        status = 202 if all(one["status"] == 202 for one in results) else 207
        self.answer = status, {}, json.dumps({"results": results}).encode()


class Handler(BaseHTTPRequestHandler):
    server: Stub

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.asked.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
        status, headers, said = self.server.answer
        self.send_response(status)
        for name, value in ({"content-length": str(len(said))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def stub() -> Iterator[Stub]:
    with Stub() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def rows(*event_ids: str) -> list[Row]:
    return [Row(n, record(one), datetime.now(UTC)) for n, one in enumerate(event_ids, 1)]


def problem(status: int, kind: str, detail: str = "") -> dict[str, Any]:
    return {"status": status, "problem": {"type": f"urn:hcp:problem:{kind}", "detail": detail}}


TAKEN = {"status": 202, "event_id": "e", "received_at": "2026-11-23T07:20:00+00:00"}


def test_a_batch_is_signed_and_holds_each_event_byte_for_byte(stub: Stub) -> None:
    stub.says(TAKEN, TAKEN)
    odd = Record(
        "e2", "d", "review.v1", b"k", [("ce_id", b"e2"), ("x", b"y")], b'{"a" : 1.50,\n"b":"\xe5\xa5\xbd"}'
    )
    HttpSink(stub.url + "/county/", SENDER).send([*rows("e1"), Row(2, odd, datetime.now(UTC))])
    ((path, headers, body),) = stub.asked
    assert path == "/county/v1/events"
    assert headers["content-type"] == "application/cloudevents-batch+json"
    assert Signed.of(headers.items()).is_by(SENDER.secret, "POST", path, body)
    first, second = json.loads(body)
    assert first == {
        "id": "e1",
        "source": "/terminal/1",
        "datacontenttype": "application/json",
        "data": {"satisfaction": 5},
    }
    assert second == {"id": "e2", "datacontenttype": "application/json", "data": {"a": 1.5, "b": "好"}}
    assert odd.value in body


def test_each_try_bears_another_nonce(stub: Stub) -> None:
    stub.says(TAKEN)
    sink = HttpSink(stub.url, SENDER)
    sink.send(rows("e1"))
    sink.send(rows("e1"))
    one, other = (Signed.of(headers.items()).nonce for _, headers, _ in stub.asked)
    assert one != other


@pytest.mark.parametrize("status", [400, 403, 413, 415, 422])
def test_what_will_never_be_taken_is_refused_with_the_gateways_reason(status: int, stub: Stub) -> None:
    stub.says(TAKEN, problem(status, "invalid_event", "satisfaction is missing"), TAKEN)
    with pytest.raises(Refused) as refused:
        HttpSink(stub.url, SENDER).send(rows("e1", "e2", "e3"))
    assert refused.value.reasons == {2: f"{status} invalid_event satisfaction is missing"}


@pytest.mark.parametrize("status", [408, 425, 429, 500, 503])
def test_what_may_be_taken_later_keeps_the_batch_waiting(status: int, stub: Stub) -> None:
    stub.says(TAKEN, problem(422, "invalid_event"), problem(status, "full"))
    with pytest.raises(Unsent, match=f"{status} full"):
        HttpSink(stub.url, SENDER).send(rows("e1", "e2", "e3"))


@pytest.mark.parametrize(
    ("answer", "why", "retry_after"),
    [
        ((503, {"retry-after": "30"}, json.dumps(problem(503, "full")["problem"]).encode()), "503 full", 30),
        ((429, {"retry-after": "soon"}, b""), "429", 0),
        (
            (401, {}, json.dumps(problem(401, "clock_skew", "set the clock")["problem"]).encode()),
            "clock_skew",
            0,
        ),
        ((502, {}, b"<html>Bad Gateway</html>"), "502", 0),
        ((302, {"location": "http://127.0.0.1:9/"}, b""), "302", 0),
        ((200, {}, b'{"results":[{"status":202}]}'), "200", 0),
        ((202, {}, b"not json"), "DecodeError", 0),
        ((202, {}, b'{"results":[]}'), "0 of 1", 0),
        ((202, {}, b'{"results":[{"status":202},{"status":202}]}'), "2 of 1", 0),
        ((202, {}, b'{"results":[{"status":"202"}]}'), "ValidationError", 0),
        ((202, {}, b'{"results":[{"status":0}]}'), "the gateway: ", 0),
        ((202, {"content-length": "999"}, b'{"results":'), "IncompleteRead", 0),
    ],
)
def test_anything_but_an_acknowledgement_is_none(
    answer: Answer, why: str, retry_after: float, stub: Stub
) -> None:
    stub.answer = answer
    with pytest.raises(Unsent, match=why) as unsent:
        HttpSink(stub.url, SENDER, timeout=5).send(rows("e1"))
    assert unsent.value.retry_after == retry_after


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "https://127.0.0.1:9", "http://nowhere.invalid"])
def test_a_gateway_that_is_not_there_is_tried_again(url: str) -> None:
    with pytest.raises(Unsent):
        HttpSink(url, SENDER).send(rows("e1"))


def test_over_tls_only_with_a_certificate_that_holds(stub: Stub) -> None:
    with pytest.raises(Unsent, match="SSL"):
        HttpSink(stub.url.replace("http:", "https:"), SENDER).send(rows("e1"))


def test_nothing_of_an_event_is_in_what_a_failure_says(stub: Stub) -> None:
    stub.answer = 500, {}, b"case-1 e1"
    with pytest.raises(Unsent) as unsent:
        HttpSink(stub.url, SENDER).send(rows("e1"))
    assert "e1" not in str(unsent.value)


@contextmanager
def served(made: House) -> Iterator[str]:
    config = uvicorn.Config(made.app, port=0, log_level="error", ws="none", lifespan="off", access_log=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    wait_for(lambda: server.started, 20, "the gateway")
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(10)


def of_review(event: dict[str, Any]) -> Record:
    """An event as the terminal's spool has it."""
    value = json.dumps(event, ensure_ascii=False).encode()
    headers = cloud_headers(event["event_id"], Stream.REVIEW, "/terminal", event["submitted_at"], "k")
    return Record(
        event["event_id"], sha256(value).hexdigest(), Stream.REVIEW.value, b"k", list(headers.items()), value
    )


def test_from_a_terminals_spool_into_the_gateways(tmp_path: Path) -> None:
    """As it is in the county: two spools and a real server between them; one event is none."""
    events = [review("A", 5, channel="terminal", device_seq=n, device_prev="0" * 64) for n in range(1, 4)]
    events.insert(1, review("A", 9, channel="terminal"))
    with house(tmp_path / "gateway") as made, served(made) as url, spool(tmp_path / "terminal") as own:
        for event in events:
            own.append(of_review(event)).result(10)
        forwarder = Forwarder(own, HttpSink(url, Sender(TERMINAL, "k1", SECRETS[TERMINAL])))
        forwarder.start()
        wait_for(lambda: own.stats().pending == 0, 20)
        assert forwarder.stop()
        assert (own.stats().sent, own.stats().refused_rows) == (3, 1)
        refused = own.find(events[1]["event_id"])
        assert refused
        assert refused.state == "refused"
        assert [value["event_id"] for value in made.values()] == [events[n]["event_id"] for n in (0, 2, 3)]
        digests = [dict(row.record.headers)[SENT_DIGEST].decode() for row in made.rows()]
        assert digests == [of_review(events[n]).digest for n in (0, 2, 3)]


def test_a_wrong_key_keeps_everything_waiting(tmp_path: Path) -> None:
    with house(tmp_path / "gateway") as made, served(made) as url:
        sink = HttpSink(url, Sender(TERMINAL, "k1", bytes(32)))
        with pytest.raises(Unsent, match="signature_wrong"):
            sink.send([Row(1, of_review(review("A", channel="terminal")), datetime.now(UTC))])
        assert made.rows() == []
