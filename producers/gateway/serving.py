"""Serving the gateway: one process, one event loop, tuned for many small requests."""

import gc
import sys

from pipeline import metrics
from pipeline.runtime import logs
from pipeline.settings import Settings
from pipeline.web import serving
from pipeline.web.places import Limits
from producers.errors import CannotServeError
from producers.gateway.address import Proxies
from producers.gateway.app import create
from producers.gateway.limiter import caller_of

COLLECT = (20_000, 20, 50)
"""A request leaves some fifty objects on their way, none of them in a circle: at 4,000 a second the usual 700 means a look at
the young ones three hundred times a second, and at all of them every few seconds, for tens of milliseconds."""
TURN_SECONDS = 0.001
"""How long a thread may go on while another one waits: what is forwarded in bulk must not make requests wait 5 ms each time."""


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT. Blocks. SystemExit if the port is taken; raises CannotServeError, SpoolTaken."""
    logs.begin()
    try:
        app = create(settings)
    except ValueError as error:  # no keys, or a proxy that is no address
        raise CannotServeError(str(error)) from None
    gc.freeze()  # what is there now stays: no collection looks at it again
    gc.set_threshold(*COLLECT)
    sys.setswitchinterval(TURN_SECONDS)
    way_in, gateway = app.state.way_in, settings.gateway
    serving.serve(
        app,
        gateway.host,
        gateway.port,
        limits(settings, way_in.proxies),
        count=lambda what: metrics.GATEWAY_REFUSED.labels(what).inc(),
        ends=way_in.lasting,
    )


def limits(settings: Settings, proxies: Proxies) -> Limits:
    """Who may connect: a proxy of ours brings everybody's connections, any other address has its own few."""
    gateway = settings.gateway

    def caller(address: str) -> str | None:
        return None if proxies.is_trusted(address) else caller_of(address)

    return Limits(gateway.connections, gateway.connections_per_address, caller)
