"""Serving an application on loopback: one uvicorn, without an access log."""

import uvicorn
from starlette.applications import Starlette

from pipeline.settings import Web


def serve(app: Starlette, web: Web, port: int) -> None:
    """Serve until SIGTERM or SIGINT. Blocks. SystemExit if the port is taken.

    There is no access log: a URL names a ticket, and who looked at it is not for a log.
    """
    uvicorn.run(
        app,
        host=web.host,
        port=port,
        access_log=False,
        log_level="warning",
        lifespan="on",
        ws="none",
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=1,
    )
