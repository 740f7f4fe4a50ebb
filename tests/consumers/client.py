"""A client of an ASGI application in this process; what the application raises is answered as a server would."""

import asyncio
from typing import Any

import httpx
from starlette.applications import Starlette


class Client:
    """Asks as the loopback address does. Blocks; each request has an event loop of its own."""

    def __init__(self, app: Starlette) -> None:
        self._app = app

    def get(self, url: str, **more: Any) -> httpx.Response:
        return asyncio.run(self._ask("GET", url, **more))

    def post(self, url: str, **more: Any) -> httpx.Response:
        return asyncio.run(self._ask("POST", url, **more))

    async def _ask(self, method: str, url: str, **more: Any) -> httpx.Response:
        transport = httpx.ASGITransport(self._app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await client.request(method, url, **more)
