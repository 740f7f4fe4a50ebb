"""Serving an application of ours: one process, one event loop, bounded connections, no log of requests."""

import asyncio
import logging
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from socket import socket
from typing import Any, cast

import uvicorn
from starlette.types import ASGIApp

from pipeline.runtime import logs
from pipeline.web.places import Limits, Places, allowed_by_files
from pipeline.web.protocol import BoundedProtocol

LOOK_SECONDS = 1.0
"""How often it is looked who has kept us waiting for too long."""
OPTIONS: dict[str, Any] = {
    "loop": "uvloop",
    "ws": "none",
    "lifespan": "on",
    "access_log": False,  # a URL may hold a token
    "log_config": None,  # ours: `pipeline.runtime.logs`
    "log_level": "warning",
    "server_header": False,
    "proxy_headers": False,  # nobody's X-Forwarded-For is believed by the server
    "timeout_graceful_shutdown": 1,
}


log = logging.getLogger(__name__)


class Server(uvicorn.Server):
    """uvicorn with bounded connections. `ends` are called when it was told to stop: they end answers that last for minutes,
    for which it would wait in vain.
    """

    def __init__(
        self, app: ASGIApp, places: Places, ends: Iterable[Callable[[], None]] = (), **options: Any
    ) -> None:
        protocol = cast("type[asyncio.Protocol]", partial(BoundedProtocol, places))
        super().__init__(uvicorn.Config(app, http=protocol, **(OPTIONS | options)))
        self._places, self._ends = places, ends

    async def startup(self, sockets: list[socket] | None = None) -> None:
        """Begin to listen, and to look."""
        await super().startup(sockets)
        self._look(asyncio.get_running_loop())

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        """When it was told to stop. The process ends by its signal, so nothing of ours runs behind it."""
        for end in self._ends:
            end()
        await super().shutdown(sockets)
        logs.flush()

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        self._places.cut_overdue()
        loop.call_later(LOOK_SECONDS, self._look, loop)


def serve(
    app: ASGIApp,
    host: str,
    port: int,
    limits: Limits,
    *,
    count: Callable[[str], None] = lambda _: None,
    ends: Iterable[Callable[[], None]] = (),
) -> None:
    """Serve until SIGTERM or SIGINT. Blocks. SystemExit if the port is taken.

    `limits`: fewer connections, if the process may not have so many files. `count`: what happened to one, see `Places`;
    it is logged, too. `ends`: see `Server`.
    """

    def told(what: str) -> None:
        log.warning(what)
        count(what)

    logs.begin()
    places = Places(limits._replace(most=allowed_by_files(limits.most)), told)
    with suppress(KeyboardInterrupt):  # it has stopped in order by then
        Server(app, places, ends, host=host, port=port).run()
