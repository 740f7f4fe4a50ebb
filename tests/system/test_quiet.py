"""What the processes of a stack write into their logs: our own lines, and no library's talk of connections."""

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import httpx
import pytest

from deploy.embedded import ports
from pipeline.settings import environment
from tests.gateway import GatewayProcess
from tests.harness import System, case
from tests.wait import wait_for

pytestmark = pytest.mark.system

OURS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4} (INFO|WARNING|ERROR|CRITICAL) ")
CHATTER = re.compile(
    "uvicorn|started server process|application startup|kafkaconnection|brokerconnection|kafkaclient|bootstrap"
    "|broker version|cluster metadata|api version|closing connection|producer id|idempotent",
    re.IGNORECASE,
)


def chatter(said: str) -> list[str]:
    """The lines that a library of ours says of its own business, and those that are not ours in form."""
    lines = said.splitlines()
    return [line for line in lines if CHATTER.search(line)] + lines[:1] * (
        not lines or not OURS.match(lines[0])
    )


def test_the_worker_and_the_gateway_do_not_chatter(system: System) -> None:
    gateway = GatewayProcess(system.settings, system.folder)
    gateway.start()
    try:
        with system.worker():
            system.send(case("C1"))
            system.wait_until_caught_up()
        host, port = urlsplit(gateway.url).netloc.split(":")
        for _ in range(3):
            with socket.create_connection((host, int(port))) as connection:
                connection.sendall(b"nonsense\r\n\r\n")
                assert connection.recv(12) == b"HTTP/1.1 400"
    finally:
        gateway.stop()
    assert chatter(system.log_text()) == []
    said = (system.folder / "gateway.log").read_text()
    assert [line.split(" ", 1)[1] for line in said.splitlines()] == [
        "WARNING Invalid HTTP request received.",
        "WARNING Invalid HTTP request received. repeated=2",
    ]


LOUD = """
import logging
from pipeline.runtime import logs
logs.LEVELS["kafka"] = logging.INFO
"""


def test_a_worker_that_chatters_is_found_out(system: System) -> None:
    """The broken twin: as it once was."""
    with system.worker(LOUD):
        system.send(case("C1"))
        system.wait_until_caught_up()
    assert chatter(system.log_text())


@contextmanager
def serving(system: System, what: str, port: int) -> Iterator[str]:
    """`hcp desk` or `hcp exporter`; its log is in the folder."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HCP_")}
    with (system.folder / f"{what}.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "deploy", what],
            env=clean | environment(system.settings),
            cwd=system.folder,
            stdout=log,
            stderr=log,
        )
    try:
        wait_for(lambda: ports.listens(port), 40, what)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


def test_the_desk_logs_who_opened_which_page_and_the_exporter_nothing(system: System) -> None:
    web = system.settings.web = system.settings.web.model_copy(
        update={"desk_port": ports.claim(0, "the desk", ""), "exporter_port": ports.claim(0, "it", "")}
    )
    with (
        serving(system, "desk", web.desk_port) as desk,
        serving(system, "exporter", web.exporter_port) as exporter,
    ):
        assert httpx.get(f"{desk}/devices?page=2").status_code == 200
        assert httpx.get(f"{desk}/healthz").status_code == 200
        assert httpx.get(f"{exporter}/metrics").status_code == 200
    (opened,) = (system.folder / "desk.log").read_text().splitlines()
    assert OURS.match(opened)
    assert "INFO page_opened method=GET path=/devices status=200 user=" in opened
    assert opened.endswith("address=127.0.0.1")
    assert (system.folder / "exporter.log").read_text() == ""
