"""A client of an ASGI application in this process; what the application raises is answered as a server would."""

import asyncio
from typing import Any

import httpx
from starlette.applications import Starlette


class Client:
    """Asks as `address` does. Blocks; each request has an event loop of its own."""

    def __init__(self, app: Starlette, address: str = "127.0.0.1") -> None:
        self._app, self._address = app, address

    def get(self, url: str, **more: Any) -> httpx.Response:
        return self.ask("GET", url, **more)

    def post(self, url: str, **more: Any) -> httpx.Response:
        return self.ask("POST", url, **more)

    def ask(self, method: str, url: str, **more: Any) -> httpx.Response:
        return asyncio.run(self.ask_in_loop(method, url, **more))

    async def ask_in_loop(self, method: str, url: str, **more: Any) -> httpx.Response:
        """For who asks several things at once."""
        transport = httpx.ASGITransport(self._app, raise_app_exceptions=False, client=(self._address, 40_000))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await client.request(method, url, **more)
