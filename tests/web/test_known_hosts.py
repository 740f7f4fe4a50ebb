"""Every /metrics looks at the name by which it is called."""

import socket
from pathlib import Path

import httpx
import pytest

from consumers.exporter import create
from deploy.embedded import ports
from pipeline import metrics
from pipeline.runtime.hosts import Hosts
from tests.consumers.client import Client
from tests.producers.gateway.house import house, settings_in
from tests.serving import served

EVIL = {"host": "evil.example"}


def test_the_exporter(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    settings.web.host_names = ["ops.example"]
    client = Client(create(settings))
    for path in ("/metrics", "/healthz"):
        assert client.get(path, headers=EVIL).status_code == 421
    for name in ("127.0.0.1:19100", "ops.example"):
        assert client.get("/healthz", headers={"host": name}).status_code == 200


def test_the_gateway(tmp_path: Path) -> None:
    with house(tmp_path, public_url="https://hcp.example") as gateway:
        refused = gateway.client.get("/metrics", headers=EVIL)
        assert (refused.status_code, refused.json()["type"]) == (421, "urn:hcp:problem:misdirected_request")
        for name in ("127.0.0.1:18088", "hcp.example"):
            assert gateway.client.get("/metrics", headers={"host": name}).status_code == 200
        assert gateway.client.get("/healthz", headers=EVIL).status_code == 200, "citizens come by any name"


def test_a_worker() -> None:
    port = ports.claim(0, "the worker's metrics", "")
    metrics.serve(port, Hosts())
    url = f"http://127.0.0.1:{port}/metrics"
    assert httpx.get(url, headers=EVIL).status_code == 421
    assert "hcp_worker_fold_seconds" in httpx.get(url).text


@pytest.mark.parametrize("names", [[], [b"host: evil.example", b"host: 127.0.0.1"]], ids=["none", "two"])
def test_a_request_with_no_name_or_with_two_is_refused(tmp_path: Path, names: list[bytes]) -> None:
    with served(create(settings_in(tmp_path)), "off") as url:
        host, _, port = url.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port)), 5) as connection:
            connection.sendall(b"\r\n".join([b"GET /healthz HTTP/1.1", *names, b"", b""]))
            assert connection.recv(12) in {b"HTTP/1.1 421", b"HTTP/1.1 400"}
