"""What every answer has: headers for the browser, its place in the metrics; and where a defect would have shown a trace, a problem."""

import logging
from functools import cache
from types import TracebackType

from prometheus_client import Counter
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline import metrics
from producers.gateway import problems
from producers.gateway.body import Gone

ROUTE = "hcp.route"
"""In a request's scope: the path of the route that took it, as it was declared."""
SECURITY = (
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)
"""Set where the answer does not say otherwise: a page may load its own scripts, a style sheet may be kept."""

log = logging.getLogger(__name__)


class Outside:
    """The outermost layer of ours."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request. Raises nothing: the server would log the exception's words, and they may be a citizen's."""
        status = 0

        async def send_dressed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                _dress(message)
            await send(message)

        try:
            await self.app(scope, receive, send_dressed)
        except Gone:
            return
        except Exception as error:  # noqa: BLE001  a defect: told without its words
            _report(error)
            if not status:
                await problems.answer(scope, error)(scope, receive, send_dressed)
        _requests(scope.get(ROUTE, "none"), status).inc()


def _dress(message: Message) -> None:
    said = {name for name, _ in message["headers"]}
    message["headers"] = [*message["headers"], *(pair for pair in SECURITY if pair[0] not in said)]


def _report(error: Exception) -> None:
    """Where it was, and of what kind: nothing of what was said."""
    log.error("failed", extra={"error": type(error).__name__, "where": _where(error.__traceback__)})


def _where(trace: TracebackType | None) -> str:
    while trace and trace.tb_next:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else ""


@cache
def _requests(route: str, status: int) -> Counter:
    return metrics.GATEWAY_REQUESTS.labels(route, str(status))
