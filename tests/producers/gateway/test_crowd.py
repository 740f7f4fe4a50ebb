"""A gateway process under a crowd: idle connections, endless heads, malformed requests. Citizens are answered meanwhile.

With 1,024 files, as a process has them where nobody has raised it. The long form is a minute of malformed requests:
HCP_CROWD_SECONDS=60.
"""

import itertools
import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import httpx
import pytest

from pipeline.web.protocol import IN_A_ROW
from tests.producers.gateway.crowding import ANSWER_SECONDS, Crowd, beside, crowded, files
from tests.wait import wait_for

IDLE = 2_000
MEMORY_MB, LOG_BYTES = 50, 1_000_000
A_SECOND = 1_000
CITIZEN_SECONDS = 5.0
"""On a machine that does other work; alone it is a tenth of one."""
SECONDS = float(os.environ.get("HCP_CROWD_SECONDS", "3"))

GIVEN = 'hcp_gateway_requests_total{route="/openapi.json",status="200"}'
CUT = 'hcp_gateway_refused_total{problem="connection_cut"}'


@pytest.fixture
def crowd(tmp_path: Path) -> Iterator[Crowd]:
    with files(3 * IDLE), crowded(tmp_path) as made:
        made.review()
        yield made


def test_idle_connections_lock_nobody_out(crowd: Crowd) -> None:
    before = crowd.megabytes
    with crowd.idle(IDLE):
        assert max(crowd.review() for _ in range(5)) < ANSWER_SECONDS
        assert crowd.megabytes - before <= MEMORY_MB
        assert httpx.get(f"{crowd.process.url}/metrics").status_code == 200, "the operator"
    assert len(crowd.said) <= LOG_BYTES


def test_a_gateway_without_bounds_is_found_out(tmp_path: Path) -> None:
    """The broken twin: as it once was."""
    twin = "from pipeline.web.places import Places; Places.take = lambda *_: True"
    with (
        files(3 * IDLE),
        crowded(tmp_path, twin) as crowd,
        crowd.idle(1_100),
        pytest.raises((httpx.HTTPError, AssertionError)),
    ):
        crowd.review()


def test_one_address_does_not_take_the_places_of_others(crowd: Crowd) -> None:
    """A hall's terminals keep theirs, whoever connects how often elsewhere."""
    with crowd.idle(20) as mine, crowd.idle(IDLE, "127.0.0.2"):
        for connection in mine:
            connection.settimeout(5)
            connection.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
            assert connection.recv(12) == b"HTTP/1.1 200"


def test_heads_without_an_end_are_cut_off(crowd: Crowd) -> None:
    before, line = crowd.megabytes, b"x-endless: " + b"x" * 1_000 + b"\r\n"
    with crowd.idle(500) as connections:
        for connection in connections:
            crowd.talk(connection, b"GET /healthz HTTP/1.1\r\n")
        for _ in range(40):
            for connection in connections:
                crowd.talk(connection, line)
        assert max(crowd.review() for _ in range(5)) < ANSWER_SECONDS
        assert crowd.megabytes - before <= MEMORY_MB
        with suppress(ConnectionResetError):  # it may have been cut while we were still talking
            assert connections[0].recv(12) == b"HTTP/1.1 431"


def test_a_value_without_an_end_is_cut_off(crowd: Crowd) -> None:
    """The parser would keep it whole until its line ends."""
    before = crowd.megabytes
    with crowd.connect() as connection:
        crowd.talk(connection, b"GET /healthz HTTP/1.1\r\nx-endless: ")
        for _ in range(200):
            crowd.talk(connection, b"x" * 2**20)
    assert crowd.megabytes - before <= MEMORY_MB
    crowd.review()


def test_requests_in_a_row_are_bounded(crowd: Crowd) -> None:
    before = crowd.megabytes
    with crowd.idle(20) as connections:
        for connection in connections:
            crowd.talk(connection, b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n" * 6_000)
        crowd.review()
        assert crowd.megabytes - before <= MEMORY_MB


def test_malformed_requests_keep_nobody_waiting_and_fill_no_log(crowd: Crowd) -> None:
    before, end = crowd.megabytes, threading.Event()
    sent: list[int] = []
    timer = threading.Timer(SECONDS, end.set)
    with beside(lambda: sent.append(crowd.malformed(A_SECOND, end))):
        timer.start()
        slowest = 0.0
        while not end.wait(SECONDS / 60):  # a code on a wall takes so many reviews a minute, not more
            slowest = max(slowest, crowd.review())
    assert slowest < CITIZEN_SECONDS
    assert sent[0] > A_SECOND * SECONDS / 2, "it was a crowd"
    assert crowd.megabytes - before <= MEMORY_MB
    crowd.process.stop()
    assert len(crowd.said) <= LOG_BYTES * SECONDS / 60
    assert crowd.said.count("Invalid HTTP request received.") <= 2 + SECONDS // 60 * 2
    assert "Invalid HTTP request received. repeated=" in crowd.said


def test_who_asks_for_nothing_is_cut_in_time(tmp_path: Path) -> None:
    quick = "from pipeline.web import places; places.REQUEST_SECONDS = 0.5"
    with crowded(tmp_path, quick) as crowd, crowd.connect() as idle, crowd.connect() as slow:
        crowd.talk(slow, b"GET /healthz HTTP/1.1\r\nhost: ")
        for connection in (idle, slow):
            connection.settimeout(10)
            with suppress(ConnectionResetError):
                assert connection.recv(1) == b""


def test_who_does_not_read_the_answers_is_cut_in_time(tmp_path: Path) -> None:
    """It asks for more as soon as the last was written, so it is never idle: until nothing more fits into the sockets."""
    quick = "from pipeline.web import places; places.REQUEST_SECONDS = 3"
    with crowded(tmp_path, quick) as crowd, crowd.connect() as deaf:
        for round_ in itertools.count(1):
            crowd.talk(deaf, b"GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n" * IN_A_ROW)
            enough = round_ * IN_A_ROW
            wait_for(partial(_answered, crowd, enough), 20, "answers, or the end")
            if crowd.counted(CUT):
                break


def _answered(crowd: Crowd, number: int) -> bool:
    return crowd.counted(GIVEN) + crowd.counted(CUT) * number >= number
