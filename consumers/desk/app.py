"""The desk: the officers' pages, composed. Loopback only, until there are accounts; it only reads, calls to 12345 go to the gateway."""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from http import HTTPStatus

from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from consumers.desk.desk import Desk
from consumers.desk.devices import DevicePages
from consumers.desk.headers import SECURITY, SecurityHeaders
from consumers.desk.hotline import HotlinePages
from consumers.desk.inspection import InspectionPages
from consumers.desk.pages import Pages
from consumers.desk.sending import Gateway
from consumers.desk.templating import HERE
from consumers.heart import Heart
from pipeline.clock import utc_now
from pipeline.ledger.engine import engine
from pipeline.runtime.hosts import Hosts
from pipeline.settings import Settings
from pipeline.web.access_log import AccessLog
from pipeline.web.known_hosts import KnownHosts

QUERY_LIMIT = "10s"
"""A query that takes longer is given up, and the page says that the ledger does not answer."""

UNLOGGED = ("/healthz", "/static/")
"""What the supervisor and a page's own style ask for."""


def create(settings: Settings, clock: Callable[[], datetime] = utc_now) -> Starlette:
    """The application. Connects on the first request; while it is served, it beats. Raises what `engine` raises."""
    ledger = engine(
        settings.database, "desk", default_transaction_read_only="on", statement_timeout=QUERY_LIMIT
    )
    desk = Desk(ledger, settings.rules.policy(), clock)
    pages, devices, inspection = Pages(desk), DevicePages(desk), InspectionPages(desk)
    hotline = HotlinePages(desk, Gateway(settings), settings.web.hotline_device)
    away = partial(_away, pages)
    return Starlette(
        routes=[
            Route("/", pages.tickets),
            Route("/tickets/{ticket_id:uuid}", pages.ticket),
            Route("/devices", devices.devices),
            Route("/inspection", inspection.overview),
            Route("/inspection/cases", inspection.cases),
            Route("/hotline", hotline.form),
            Route("/hotline", hotline.submit, methods=["POST"]),
            Route("/healthz", pages.healthz),
            Mount("/static", StaticFiles(directory=HERE / "static")),
        ],
        middleware=[
            Middleware(AccessLog, unlogged=UNLOGGED),
            Middleware(SecurityHeaders),
            Middleware(KnownHosts, hosts=Hosts(settings.web.host_names)),
        ],
        exception_handlers={
            HTTPException: partial(_refused, pages),
            OperationalError: away,
            InterfaceError: away,
            PoolTimeoutError: away,
            Exception: partial(_broken, pages),
        },
        lifespan=Heart(settings, "desk", ledger).lifespan,
    )


def _refused(pages: Pages, request: Request, error: HTTPException) -> Response:
    return pages.problem(request, HTTPStatus(error.status_code), dict(error.headers or {}))


def _away(pages: Pages, request: Request, _: Exception) -> Response:
    return pages.problem(request, HTTPStatus.SERVICE_UNAVAILABLE, {"Retry-After": "10"})


def _broken(pages: Pages, request: Request, _: Exception) -> Response:
    """A defect. Starlette answers outside of every middleware, so the headers are set here; the server logs it."""
    return pages.problem(request, HTTPStatus.INTERNAL_SERVER_ERROR, SECURITY)
