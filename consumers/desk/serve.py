"""`hcp desk`: the desk behind a server of its own."""

import logging

import uvicorn

from consumers.desk.app import create
from pipeline.settings import Settings


def serve(settings: Settings) -> None:
    """Serve the desk until SIGTERM or SIGINT. Blocks. SystemExit if its port is taken.

    There is no access log: a URL names a ticket, and who looked at it is not for a log.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    uvicorn.run(
        create(settings),
        host=settings.web.host,
        port=settings.web.desk_port,
        log_config=None,
        access_log=False,
        lifespan="on",  # the heart beats in it: uvicorn ends by the signal itself, and nothing after it would run
        ws="none",
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=1,
    )
