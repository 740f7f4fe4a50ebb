"""A served application's life: while it is served it beats, at its end it lets go of its connections."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import Engine
from starlette.applications import Starlette

from pipeline.ledger.pulse import Pulse
from pipeline.settings import Settings


class Heart:
    """Beats as `name`. At the end it disposes of `pools`, too."""

    def __init__(self, settings: Settings, name: str, *pools: Engine) -> None:
        self._pulse, self._pools = Pulse(settings, name), pools

    @asynccontextmanager
    async def lifespan(self, _: Starlette) -> AsyncIterator[None]:
        """Beat until the server ends, then say so and let go of the connections."""
        self._pulse.start()
        try:
            yield
        finally:
            self._pulse.stop()
            for pool in self._pools:
                pool.dispose()
