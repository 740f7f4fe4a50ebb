"""Serving the gateway: one process, one event loop, no access log."""

import gc
import sys
from contextlib import suppress
from socket import socket
from typing import Any

import uvicorn
from starlette.applications import Starlette

from pipeline.settings import Settings
from producers.errors import CannotServeError
from producers.gateway import logs
from producers.gateway.app import create

OPTIONS: dict[str, Any] = {
    "loop": "uvloop",
    "http": "httptools",
    "ws": "none",
    "lifespan": "on",
    "access_log": False,  # a URL may hold a token
    "log_level": "warning",
    "server_header": False,
    "proxy_headers": False,  # nobody's X-Forwarded-For is believed by the server: `gateway.address` decides
    "timeout_graceful_shutdown": 1,
}
COLLECT = (20_000, 20, 50)
"""A request leaves some fifty objects on their way, none of them in a circle: at 4,000 a second the usual 700 means a look at
the young ones three hundred times a second, and at all of them every few seconds, for tens of milliseconds."""
TURN_SECONDS = 0.001
"""How long a thread may go on while another one waits: what is forwarded in bulk must not make requests wait 5 ms each time."""


class Server(uvicorn.Server):
    """Ends the answers that last for minutes, then waits for the others: else it would wait in vain, and cut them off."""

    def __init__(self, app: Starlette, **options: Any) -> None:
        super().__init__(uvicorn.Config(app, **options))
        self._lasting = app.state.way_in.lasting

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        """When it was told to stop."""
        for end in self._lasting:
            end()
        await super().shutdown(sockets)


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT. Blocks. SystemExit if the port is taken; raises CannotServeError, SpoolTaken."""
    logs.begin()
    try:
        app = create(settings)
    except ValueError as error:  # no keys, or a proxy that is no address
        raise CannotServeError(str(error)) from None
    gc.freeze()  # what is there now stays: no collection looks at it again
    gc.set_threshold(*COLLECT)
    sys.setswitchinterval(TURN_SECONDS)
    server = Server(app, host=settings.gateway.host, port=settings.gateway.port, **OPTIONS)
    with suppress(KeyboardInterrupt):  # it has stopped in order by then
        server.run()
