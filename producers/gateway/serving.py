"""Serving the gateway: one process, one event loop, no access log."""

import uvicorn

from pipeline.settings import Settings
from producers.errors import CannotServeError
from producers.gateway.app import create


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT. Blocks. SystemExit if the port is taken; raises CannotServeError, SpoolTaken.

    Nobody's X-Forwarded-For is believed here: `gateway.address` decides. There is no access log: a URL may hold a token.
    """
    gateway = settings.gateway
    try:
        app = create(settings)
    except ValueError as error:  # no keys, or a proxy that is no address
        raise CannotServeError(str(error)) from None
    uvicorn.run(
        app,
        host=gateway.host,
        port=gateway.port,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="on",
        access_log=False,
        log_level="warning",
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=1,
    )
