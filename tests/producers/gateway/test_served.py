"""The gateway on a real socket: slow, endless and broken requests, and what its log says of them."""

import json
import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from pipeline.web.places import Places
from pipeline.web.protocol import HEAD_BYTES
from pipeline.web.serving import Server
from producers.gateway import events
from producers.gateway.patience import Patience
from producers.gateway.serving import limits
from tests.harness import review
from tests.producers.gateway.house import House, ce_headers, house
from tests.wait import wait_for


class Served:
    """A gateway, and the port on which it listens."""

    def __init__(self, gateway: House, port: int) -> None:
        self.gateway, self.port = gateway, port

    @contextmanager
    def call(self) -> Iterator[socket.socket]:
        """A connection that is closed at the end."""
        with socket.create_connection(("127.0.0.1", self.port), 20) as connection:
            yield connection


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """The same server as `hcp gateway` has, but for its signals and its life beside the requests."""
    with house(tmp_path) as gateway:
        places = Places(limits(gateway.settings, gateway.way_in.proxies), lambda _: None)
        server = Server(gateway.app, places, port=0, lifespan="off")
        thread = threading.Thread(target=server.run)
        thread.start()
        wait_for(lambda: server.started, 20, "the gateway")
        yield Served(gateway, server.servers[0].sockets[0].getsockname()[1])
        server.should_exit = True
        thread.join(20)


def head(length: int | str, form: str = "application/json", *more: str) -> bytes:
    lines = [
        "POST /v1/events HTTP/1.1",
        "host: x",
        f"content-type: {form}",
        f"content-length: {length}",
        *more,
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def answer(connection: socket.socket) -> tuple[int, dict[str, Any], bool]:
    """Status and document of what comes, and whether the connection was closed behind it."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65_536)
    top, _, body = data.partition(b"\r\n\r\n")
    lengths = [
        line.split(b":")[1] for line in top.lower().split(b"\r\n") if line.startswith(b"content-length")
    ]
    while len(body) < int(lengths[0]):
        body += connection.recv(65_536)
    is_closed = b"connection: close" in top.lower()
    return int(top.split()[1]), json.loads(body), is_closed


def test_a_signed_review_over_the_wire(served: Served) -> None:
    event = review("C1", channel="terminal")
    body = json.dumps(event).encode()
    headers = served.gateway.signed(body, path="/v1/events?from=test", headers=ce_headers(event))
    url = f"http://127.0.0.1:{served.port}/v1/events?from=test"
    taken = httpx.post(url, content=body, headers=headers)
    assert (taken.status_code, "server" in taken.headers) == (202, False)
    assert httpx.post(url.replace("test", "other"), content=body, headers=headers).status_code == 401


def test_a_body_that_does_not_come_is_cut_off(served: Served) -> None:
    served.gateway.way_in.patience = Patience(0.5)
    with served.call() as connection:
        connection.sendall(head(100) + b"{")
        status, document, closed = answer(connection)
        assert (status, document["type"], closed) == (408, "urn:hcp:problem:too_slow", True)
        assert connection.recv(1) == b""


def test_a_body_that_trickles_is_cut_off_too(served: Served) -> None:
    """Each byte comes in time, the whole does not: the deadline is for the whole."""
    served.gateway.way_in.patience = Patience(1)
    with served.call() as connection:
        connection.sendall(head(60_000))
        connection.settimeout(0.1)
        data = b""
        for _ in range(60):
            try:
                connection.sendall(b" ")
                data += connection.recv(65_536)
            except TimeoutError:
                continue
            break
        assert data.startswith(b"HTTP/1.1 408 ")


def test_who_takes_his_time_within_it_is_served(served: Served) -> None:
    event = review("C1", channel="terminal")
    body = json.dumps(event).encode()
    lines = [
        f"{name}: {value}" for name, value in served.gateway.signed(body, headers=ce_headers(event)).items()
    ]
    with served.call() as connection:
        connection.sendall(head(len(body), "application/json", *lines[1:]))
        for part in (body[:10], body[10:20], body[20:]):
            connection.sendall(part)
        assert answer(connection)[0] == 202


@pytest.mark.parametrize("length", [65_537, 10**12])
def test_a_length_that_is_too_large_is_refused_at_once(served: Served, length: int) -> None:
    with served.call() as connection:
        connection.sendall(head(length))
        status, document, closed = answer(connection)
        assert (status, document["type"], closed) == (413, "urn:hcp:problem:too_large", True)


GET = b"GET /healthz HTTP/1.1\r\nhost: x\r\n"
LONG = b"x-long: " + b"x" * HEAD_BYTES + b"\r\n\r\n"
MANY = b"x: y\r\n" * 4_000 + b"\r\n"


def everything(connection: socket.socket) -> bytes:
    """What comes until the connection is closed."""
    said = b""
    with suppress(ConnectionResetError):
        while part := connection.recv(65_536):
            said += part
    return said


@pytest.mark.parametrize("rest", [LONG, MANY], ids=["long", "many"])
@pytest.mark.parametrize("before", [b"", GET + b"\r\n"], ids=["alone", "behind another"])
def test_a_head_that_is_too_large_is_refused_in_one_piece_too(
    served: Served, before: bytes, rest: bytes
) -> None:
    with served.call() as connection:
        connection.sendall(before + GET + rest)
        said = everything(connection)
    assert said.count(b"HTTP/1.1 200 ") == bool(before)
    assert said.count(b"HTTP/1.1 431 ") == 1


def test_a_head_with_a_large_body_in_one_piece_is_none_too_large(served: Served) -> None:
    with served.call() as connection:
        connection.sendall(head(2 * HEAD_BYTES) + b" " * 2 * HEAD_BYTES)
        assert answer(connection)[0] == 401


def test_trailers_without_an_end_are_cut_off(served: Served) -> None:
    top = head(0).replace(b"content-length: 0", b"transfer-encoding: chunked")
    with served.call() as connection, suppress(OSError):
        connection.sendall(top + b"1\r\nx\r\n0\r\n")
        for _ in range(10 * HEAD_BYTES):
            connection.sendall(b"x-endless: y\r\n")
        raise AssertionError("nobody stopped it")


def test_chunks_without_an_end_are_refused_when_they_are_too_many(served: Served) -> None:
    with served.call() as connection:
        top = head(0).replace(b"content-length: 0", b"transfer-encoding: chunked")
        connection.sendall(
            top + b"8000\r\n" + b"x" * 0x8000 + b"\r\n" + b"8001\r\n" + b"x" * 0x8001 + b"\r\n"
        )
        assert answer(connection)[0] == 413


@pytest.mark.parametrize(
    "request_",
    [
        b"nonsense\r\n\r\n",
        b"POST /v1/events HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
        b"POST /v1/events HTTP/1.1\r\ncontent-length: x\r\n\r\n",
        b"POST /v1/events HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
    ],
    ids=repr,
)
def test_what_is_no_http_gets_a_400_and_the_next_caller_is_served(served: Served, request_: bytes) -> None:
    with served.call() as connection:
        connection.sendall(request_)
        assert connection.recv(65_536).startswith(b"HTTP/1.1 400 ")
    assert httpx.get(f"http://127.0.0.1:{served.port}/healthz").status_code == 200


def test_who_hangs_up_leaves_nothing_behind(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    for part in (b"POST /v1/ev", head(100) + b"{"):
        with served.call() as connection:
            connection.sendall(part)
    assert httpx.get(f"http://127.0.0.1:{served.port}/healthz").status_code == 200
    assert not caplog.records
    assert not served.gateway.rows()


def test_a_defect_is_told_without_its_words(
    served: Served, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(headers: object, body: bytes) -> None:
        raise RuntimeError(body.decode())

    monkeypatch.setattr(events, "binary", broken)
    caplog.set_level(logging.DEBUG)
    body = b'{"phone": "13800001111"}'
    headers = served.gateway.signed(body, headers={"content-type": "application/json"})
    told = httpx.post(f"http://127.0.0.1:{served.port}/v1/events", content=body, headers=headers)
    assert (told.status_code, told.json()["type"]) == (500, "urn:hcp:problem:internal")
    assert told.headers["cache-control"] == "no-store"
    (record,) = [one for one in caplog.records if one.levelno >= logging.WARNING]
    assert record.message == "failed"
    assert record.__dict__["error"] == "RuntimeError"
    assert "test_served.py:" in record.__dict__["where"]
    assert "13800001111" not in caplog.text + told.text


def test_no_request_is_logged(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    for path in ("/v1/reviews/019ab0c2-5d1e-7c3a-9f6e-2b1d4a7c8e90", "/r/secret-token", "/nothing"):
        httpx.get(f"http://127.0.0.1:{served.port}{path}")
    ours = " ".join(str(one.__dict__) for one in caplog.records if not one.name.startswith("httpx"))
    assert "secret-token" not in ours
    assert "019ab0c2" not in ours
