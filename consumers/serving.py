"""Serving an application on loopback."""

from starlette.types import ASGIApp

from pipeline.settings import Web
from pipeline.web import serving
from pipeline.web.places import Limits

CONNECTIONS = 500
"""An officer's browser has six, a scraper one."""


def serve(app: ASGIApp, web: Web, port: int) -> None:
    """Serve until SIGTERM or SIGINT. Blocks. SystemExit if the port is taken."""
    serving.serve(app, web.host, port, Limits(CONNECTIONS, CONNECTIONS, lambda _: None))
