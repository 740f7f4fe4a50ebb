"""The heartbeat of a served application in the ledger: what `hcp status` sees of it."""

import logging
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from starlette.applications import Starlette

from pipeline.ledger.components import beat
from pipeline.ledger.engine import engine
from pipeline.settings import Settings

BEAT_SECONDS = 5.0

log = logging.getLogger(__name__)


class Heart:
    """Beats as `name`, in a thread of its own, over a connection of its own: the pages' ones only read.

    At the end it disposes of `pools`, too.
    """

    def __init__(self, settings: Settings, name: str, *pools: Engine) -> None:
        self._name, self._pools = name, pools
        self._office = engine(settings.database, f"{name}-heart", pool_size=1)
        self._stopping = threading.Event()

    @asynccontextmanager
    async def lifespan(self, _: Starlette) -> AsyncIterator[None]:
        """Beat until the server ends, then say so and let go of the connections."""
        thread = threading.Thread(target=self._run, name="heart", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stopping.set()
            thread.join(BEAT_SECONDS)
            for pool in (*self._pools, self._office):
                pool.dispose()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._say("running")
            self._stopping.wait(BEAT_SECONDS)
        self._say("stopped")

    def _say(self, state: str) -> None:
        try:
            with self._office.begin() as connection:
                beat(connection, self._name, state)
        except SQLAlchemyError as error:
            log.warning("away", extra={"task": "heartbeat", "error": type(error).__name__})
