"""A gateway process with 1,024 files, a crowd that keeps it busy, and a citizen who reviews all the same."""

import itertools
import re
import resource
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import psutil

from producers.tokens import Tokens
from tests.gateway import GatewayProcess
from tests.producers.gateway.house import settings_in
from tests.producers.qr.walls import WINDOW

FILES = 1_024
"""What a process may have open where nobody has raised it."""
FEW_FILES = f"import resource; resource.setrlimit(resource.RLIMIT_NOFILE, ({FILES}, {FILES}))"
ANSWER_SECONDS = 10.0
"""A gateway that is locked up never answers; one that shares two cores with a whole test run may take seconds."""
_HIDDEN = re.compile('name="event_id" value="([^"]+)"')
_addresses = itertools.count(1)


class Crowd:
    """The gateway `process`, its log, its memory; who comes to it."""

    def __init__(self, folder: Path, code: str = "") -> None:
        settings = settings_in(folder)
        self.process = GatewayProcess(settings, folder, f"{FEW_FILES}\n{code}")
        self._log = folder / "gateway.log"
        self._token = Tokens(settings.seal).make(WINDOW, datetime.now(UTC) + timedelta(days=1))
        self._port = settings.gateway.port

    @property
    def megabytes(self) -> float:
        """What it has in memory."""
        return float(psutil.Process(self.process.pid).memory_info().rss / 2**20)

    @property
    def said(self) -> str:
        """Its log."""
        return self._log.read_text()

    def counted(self, metric: str) -> float:
        """What the operator is told of this metric, with its labels; 0 if there is none."""
        lines = httpx.get(f"{self.process.url}/metrics", timeout=20).text.splitlines()
        return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(metric)), 0.0)

    def review(self) -> float:
        """A citizen opens the form, submits it, and is thanked; the seconds of the slowest answer. AssertionError, httpx.HTTPError."""
        number = next(_addresses)
        headers = {"x-forwarded-for": f"198.51.{100 + number // 250}.{1 + number % 250}"}
        path, slowest = f"{self.process.url}/r/{self._token}", 0.0
        with httpx.Client(headers=headers, timeout=ANSWER_SECONDS) as browser:
            form = browser.get(path)
            found = _HIDDEN.search(form.text)
            assert found, form.status_code
            taken = browser.post(path, data={"event_id": found[1], "level": "5"})
            assert taken.status_code == 303, taken.text
            thanks = browser.get(self.process.url + taken.headers["location"])
            assert thanks.status_code == 200, thanks.text
            for answer in (form, taken, thanks):
                slowest = max(slowest, answer.elapsed.total_seconds())
        return slowest

    def connect(self, address: str = "127.0.0.1") -> socket.socket:
        """A connection from this address, one of loopback's."""
        return socket.create_connection(("127.0.0.1", self._port), 5, (address, 0))

    @contextmanager
    def idle(self, number: int, address: str = "127.0.0.1") -> Iterator[list[socket.socket]]:
        """So many connections that ask for nothing."""
        with ExitStack() as stack:
            yield [stack.enter_context(self.connect(address)) for _ in range(number)]

    def talk(self, connection: socket.socket, data: bytes) -> None:
        """Send this, if the connection is still there."""
        with suppress(OSError):
            connection.sendall(data)

    def malformed(self, a_second: int, until: threading.Event) -> int:
        """Send so many requests a second that are none, each on a connection of its own; returns how many. Blocks."""
        began, sent = time.monotonic(), 0
        while not until.is_set():
            with suppress(OSError), self.connect() as connection:
                connection.sendall(b"nonsense %d\r\n\r\n" % sent)
                sent += 1
            until.wait(max(0.0, began + sent / a_second - time.monotonic()))
        return sent


@contextmanager
def crowded(folder: Path, code: str = "") -> Iterator[Crowd]:
    """It runs inside."""
    crowd = Crowd(folder, code)
    crowd.process.start()
    try:
        yield crowd
    finally:
        crowd.process.kill()


@contextmanager
def beside(act: Callable[[], object]) -> Iterator[None]:
    """Do it in a thread meanwhile; it has to end by itself when the block has ended."""
    thread = threading.Thread(target=act)
    thread.start()
    try:
        yield
    finally:
        thread.join(20)


@contextmanager
def files(number: int) -> Iterator[None]:
    """This process may have so many files open. ValueError if it may not."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(number, before[0]), before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
