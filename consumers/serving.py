"""Serving pages on loopback: one uvicorn, and a heartbeat beside it that `hcp status` sees."""

import contextlib
import logging
import threading
from collections.abc import Iterator

import uvicorn
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError
from starlette.types import ASGIApp

from pipeline.ledger import components
from pipeline.ledger.engine import engine
from pipeline.settings import Settings

log = logging.getLogger(__name__)
BEAT_SECONDS = 5.0


def serve(app: ASGIApp, name: str, port: int, settings: Settings) -> None:
    """Serve `app` on the settings' loopback address until SIGTERM or SIGINT. Blocks."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    with _beating(name, settings):
        uvicorn.run(
            app, host=settings.web.host, port=port, log_config=None, access_log=False, server_header=False
        )


@contextlib.contextmanager
def _beating(name: str, settings: Settings) -> Iterator[None]:
    """Say that `name` lives, while this lasts; and at the end that it stopped."""
    over = threading.Event()
    pool = engine(settings.database, name, pool_size=1)
    heart = threading.Thread(target=_beat, args=(pool, name, over), name="heartbeat", daemon=True)
    heart.start()
    try:
        yield
    finally:
        over.set()
        heart.join()
        _say(pool, name, "stopped")
        pool.dispose()


def _beat(pool: Engine, name: str, over: threading.Event) -> None:
    while not over.is_set():
        _say(pool, name, "running")
        over.wait(BEAT_SECONDS)


def _say(pool: Engine, name: str, state: str) -> None:
    try:
        with pool.begin() as connection:
            components.beat(connection, name, state)
    except DBAPIError as error:
        log.warning("database_away", extra={"error": type(error).__name__})
