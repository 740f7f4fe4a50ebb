"""What every answer has: headers for the browser; and a problem document where a defect would have shown a trace."""

import logging

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from producers.gateway import problems
from producers.gateway.body import Gone

log = logging.getLogger(__name__)

SECURITY = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
"""Set where the answer does not say otherwise: a page may load its own scripts, a style sheet may be kept."""


class Outside:
    """The outermost layer of ours."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request. Raises nothing: the server would log the exception's words, and they may be a citizen's."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await self.app(scope, receive, send_with_headers)
        except Gone:
            return
        except Exception as error:  # noqa: BLE001  a defect: told without its words
            trace = error.__traceback__
            while trace and trace.tb_next:
                trace = trace.tb_next
            where = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else ""
            log.error(  # noqa: TRY400  its words may be a citizen's
                "failed", extra={"error": type(error).__name__, "where": where}
            )
            if not started:
                await problems.of(error).response()(scope, receive, send_with_headers)
