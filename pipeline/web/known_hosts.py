"""Answers only what is called by a name of ours (`pipeline.runtime.hosts`)."""

from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from pipeline.runtime.hosts import WRONG, Hosts


class KnownHosts:
    """421 for every other name."""

    def __init__(self, app: ASGIApp, hosts: Hosts) -> None:
        self.app, self._hosts = app, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http" or called_by(scope, self._hosts):
            await self.app(scope, receive, send)
            return
        await PlainTextResponse(WRONG, HTTPStatus.MISDIRECTED_REQUEST)(scope, receive, send)


def called_by(scope: Scope, hosts: Hosts) -> bool:
    """Whether this request names us: once, and by a name of ours."""
    said = Headers(scope=scope).getlist("host")
    return len(said) == 1 and hosts.has(said[0])
