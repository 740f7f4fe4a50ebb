"""What the supervisor keeps: the two servers (`deploy/embedded/`) and commands of our own."""

import http.client
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from deploy.child import Child


class Service(Protocol):
    """Something that runs as one process. `address`: where to find it, for people; may be empty."""

    @property
    def name(self) -> str: ...
    @property
    def address(self) -> str: ...
    @property
    def child(self) -> Child | None: ...
    def prepare(self) -> None:
        """What has to be there before each start. Blocks; raises StackError."""

    def launch(self) -> Child:
        """Start the process. Does not block."""

    def ready(self) -> bool:
        """Whether it does its work. Blocks for some seconds at most; raises nothing."""


class Command:
    """`hcp <words>` as a child process, with its settings in its environment (`pipeline.settings.environment`)."""

    def __init__(
        self,
        name: str,
        words: Sequence[str],
        env: Mapping[str, str],
        log: Path,
        *,
        address: str = "",
        health: Callable[[], bool] = lambda: True,
    ) -> None:
        self.name, self.address, self.ready = name, address, health
        self.child: Child | None = None
        self.log = log
        self._words, self._env = words, env

    def prepare(self) -> None:
        """Nothing: a command brings what it needs."""

    def launch(self) -> Child:
        """Start it. Does not block; from a thread that stays."""
        self.child = Child(self.name, [sys.executable, "-m", "deploy", *self._words], self.log, self._env)
        self.child.start()
        return self.child


def page_answers(host: str, port: int) -> bool:
    """Whether it answers GET /healthz: with 200, or with 503 while its database is away. Blocks for 8 s at most."""
    connection = http.client.HTTPConnection(host, port, timeout=8)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status in {http.HTTPStatus.OK, http.HTTPStatus.SERVICE_UNAVAILABLE}
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
