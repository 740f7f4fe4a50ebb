"""The gateway, composed: every way in over HTTP, under one roof."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute
from starlette.types import Receive, Scope, Send

from pipeline.clock import utc_now
from pipeline.sealing import Sealer
from pipeline.settings import Settings
from producers.devices.registry import Registry
from producers.devices.tickets import LASTS
from producers.gateway import description, events, health, problems, reviews
from producers.gateway.outside import Outside
from producers.gateway.running import Running
from producers.gateway.way_in import WayIn
from producers.qr import routes as qr
from producers.screen import enrolling
from producers.screen import routes as screen
from producers.spool.spool import Spool

WAYS: list[Callable[[WayIn], list[BaseRoute]]] = [
    events.routes,
    reviews.routes,
    health.routes,
    qr.routes,
    enrolling.routes,
    screen.routes,
]
"""Each way in has its routes; all of them are `guard.Guarded`."""


class Gateway(Starlette):
    """The way of the many goes first, past everything that a page needs: it is most of what a gateway does."""

    def __init__(self, first: events.Events, **more: Any) -> None:
        super().__init__(**more)
        self._first = first
        self._outside = Outside(self._inside)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, or the application's life."""
        if scope["type"] == "http":
            await self._outside(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)

    async def _inside(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == events.PATH and scope["method"] == "POST":
            await self._first(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


def create(settings: Settings, clock: Callable[[], datetime] = utc_now) -> Starlette:
    """The application; `state.way_in` is what its routes share. Opens the spool. While it is served, it refreshes the devices.

    ValueError if the settings hold no sealing key; SpoolTaken if another process has the spool.
    """
    gateway, sealer = settings.gateway, Sealer(settings.seal)
    gateway.spool_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    spool = Spool(
        gateway.spool_dir,
        max_bytes=gateway.spool_bytes,
        keep_sent=timedelta(hours=gateway.keep_sent_hours),
        keep_nonces=max(timedelta(seconds=2 * gateway.clock_skew_seconds), LASTS),
        clock=clock,
    )
    way_in = WayIn(settings, spool, Registry(settings, sealer, gateway.spool_dir, clock), clock)

    ways = [route for routes in WAYS for route in routes(way_in)]
    app = Gateway(
        events.Events(way_in),
        routes=[*ways, *description.routes(way_in, ways)],
        exception_handlers={HTTPException: problems.answer},
        lifespan=Running(settings, way_in).lifespan,
    )
    app.router.redirect_slashes = False
    app.state.way_in = way_in
    return app
