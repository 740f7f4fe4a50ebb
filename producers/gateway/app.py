"""The gateway, composed: every way in over HTTP, under one roof."""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import BaseRoute

from pipeline.sealing import Sealer
from pipeline.settings import Settings
from producers.devices.registry import Registry
from producers.gateway import events, problems
from producers.gateway.outside import Outside
from producers.gateway.way_in import WayIn, utc_now
from producers.spool.spool import Spool

log = logging.getLogger(__name__)

WAYS: list[Callable[[WayIn], list[BaseRoute]]] = [events.routes]
"""Each way in has its routes; all of them are `guard.Guarded`."""


def create(settings: Settings, clock: Callable[[], datetime] = utc_now) -> Starlette:
    """The application; `state.way_in` is what its routes share. Opens the spool. While it is served, it refreshes the devices.

    ValueError if the settings hold no sealing key; SpoolTaken if another process has the spool.
    """
    gateway, sealer = settings.gateway, Sealer(settings.seal)
    gateway.spool_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    keep = timedelta(hours=gateway.keep_sent_hours)
    spool = Spool(gateway.spool_dir, max_bytes=gateway.spool_bytes, keep_sent=keep, clock=clock)
    way_in = WayIn(settings, spool, Registry(settings, sealer, gateway.spool_dir, clock), clock)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        way_in.devices.start()
        try:
            yield
        finally:
            way_in.devices.stop()
            way_in.spool.close()

    app = Starlette(
        routes=[route for routes in WAYS for route in routes(way_in)],
        middleware=[Middleware(Outside)],
        exception_handlers={HTTPException: problems.answer},
        lifespan=lifespan,
    )
    app.state.way_in = way_in
    return app
