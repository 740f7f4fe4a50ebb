"""One connection to the gateway, kept open: HTTP/1.1, a request after the other. For one task."""

import asyncio
import ssl
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 15.0
HEAD_END = b"\r\n\r\n"


class Lost(Exception):
    """No answer came: whether the request was taken is not known. The message is the kind of trouble."""


class Request(NamedTuple):
    """What is asked. `target`: path and query as they are sent."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""


class Answer(NamedTuple):
    """What was said. Names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Connection:
    """To the server of `url` (http or https). Opened by the first request, and again by the first after a loss."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if self._tls else 80)
        self._name = parts.netloc
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, request: Request) -> Answer:
        """Send and wait for the answer. Raises Lost."""
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                return await self._ask(request)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError) as error:
            self.close()
            raise Lost(type(error).__name__) from error

    async def _ask(self, request: Request) -> Answer:
        if self._streams and self._streams[0].at_eof():
            self.close()  # the server hung up on a connection that was silent for long
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._host, self._port, ssl=self._tls)
        reader, writer = self._streams
        writer.write(self._written(request))
        head = await reader.readuntil(HEAD_END)
        status, headers = parse(head)
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        if headers.get("connection") == "close":
            self.close()
        return Answer(status, headers, body)

    def _written(self, request: Request) -> bytes:
        named = {"host": self._name, **request.headers, "content-length": str(len(request.body))}
        lines = [f"{request.method} {request.target} HTTP/1.1", *(f"{k}: {v}" for k, v in named.items())]
        return "\r\n".join(lines).encode("latin-1") + HEAD_END + request.body

    def close(self) -> None:
        """Let go of it. It opens again when it is asked."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


def parse(head: bytes) -> tuple[int, dict[str, str]]:
    """Status and headers of a response's head. ValueError for what is none."""
    first, *lines = head[: -len(HEAD_END)].decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines)
    return int(first.split(" ", 2)[1]), {name.lower(): value.strip() for name, _, value in pairs}
