"""The heartbeat of a served application in the ledger: what `hcp status` sees of it."""

import logging
import threading

from sqlalchemy.exc import SQLAlchemyError

from pipeline.ledger.components import beat, count_start
from pipeline.ledger.engine import engine
from pipeline.settings import Settings

BEAT_SECONDS = 5.0

log = logging.getLogger(__name__)


class Pulse:
    """Beats as `name`, in a thread of its own, over a connection of its own. Connects at the first beat."""

    def __init__(self, settings: Settings, name: str) -> None:
        self._name = name
        self._office = engine(settings.database, f"{name}-heart", pool_size=1)
        self._counted = False
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heart", daemon=True)

    def start(self) -> None:
        """Beat from now on. Once."""
        self._thread.start()

    def stop(self) -> None:
        """Say so, and let go of the connection. Blocks for a beat at most."""
        self._stopping.set()
        self._thread.join(BEAT_SECONDS)
        self._office.dispose()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._say("running")
            self._stopping.wait(BEAT_SECONDS)
        self._say("stopped")

    def _say(self, state: str) -> None:
        try:
            with self._office.begin() as connection:
                if not self._counted:
                    count_start(connection, self._name)
                beat(connection, self._name, state)
            self._counted = True
        except SQLAlchemyError as error:
            log.warning("away", extra={"task": "heartbeat", "error": type(error).__name__})
