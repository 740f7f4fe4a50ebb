"""Who opened which page, and from where."""

import getpass
import logging
import socket

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from pipeline.web.access_log import AccessLog, user_of
from tests.consumers.client import Client
from tests.serving import served


def page(_: Request) -> Response:
    return PlainTextResponse("ok")


@pytest.fixture
def app() -> Starlette:
    logged = Middleware(AccessLog, unlogged=("/healthz",))
    return Starlette(routes=[Route("/{path:path}", page)], middleware=[logged])


def opened(caplog: pytest.LogCaptureFixture) -> list[dict[str, object]]:
    names = ("method", "path", "status", "user", "address", "forwarded")
    return [
        {name: one.__dict__[name] for name in names if name in one.__dict__}
        for one in caplog.records
        if one.message == "page_opened"
    ]


def test_it_names_the_user_and_the_address(app: Starlette, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with served(app) as url:
        httpx.get(f"{url}/devices?page=2&name=13800135678")
    assert opened(caplog) == [
        {
            "method": "GET",
            "path": "/devices",
            "status": 200,
            "user": getpass.getuser(),
            "address": "127.0.0.1",
        }
    ]
    assert "13800135678" not in " ".join(str(one) for one in opened(caplog))


def test_what_machines_ask_for_is_not_logged(app: Starlette, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    Client(app).get("/healthz")
    assert opened(caplog) == []


def test_nobody_writes_a_line_of_his_own(app: Starlette, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    Client(app).get(
        "/devices%0Apage_opened",
        headers={"x-forwarded-for": "10.0.0.9 user=\u00e9".encode("latin-1") + b"x" * 500},
    )
    (line,) = opened(caplog)
    assert line["path"] == "/devices%0Apage_opened"
    assert str(line["forwarded"]).startswith(r"'10.0.0.9 user=\xe9xx")
    assert len(str(line["forwarded"])) < 120


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_the_user_of_a_connection(address: str) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, 0), family=family) as listening:
        with socket.create_connection(listening.getsockname()[:2]) as client:
            ends = client.getsockname()[:2], client.getpeername()[:2]
            assert user_of(*ends) == getpass.getuser()
        assert user_of(*ends) == "", "a connection that has ended is nobody's"


def test_who_is_on_another_machine_is_unknown() -> None:
    assert user_of(("198.51.100.7", 40_000), ("198.51.100.1", 80)) == ""
    assert user_of(None, None) == ""
