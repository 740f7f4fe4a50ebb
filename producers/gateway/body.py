"""Reading a request's body: so many bytes at most, within so many seconds."""

import asyncio

from starlette.types import Message, Receive, Scope

from producers.gateway.errors import NotSupported

SECONDS = 10.0
"""For the whole body: 64 KiB in it are 7 kB/s, a bad telephone line."""
CLOSE = {"Connection": "close"}
"""What is left of the body is not read."""


class Gone(Exception):
    """The caller hung up before it had said everything. Nobody is there to answer."""


async def read_body(scope: Scope, receive: Receive, limit: int, seconds: float = SECONDS) -> bytes:
    """The whole body. Raises NotSupported for one that is too large or too slow, Gone."""
    for name, value in scope["headers"]:
        if name == b"content-length" and int(value) > limit:
            raise _too_large(limit)
    try:
        async with asyncio.timeout(seconds):
            return await _read(receive, limit)
    except TimeoutError:
        raise NotSupported(
            408, "too_slow", "The body did not come in time", f"at most {seconds:g} s", CLOSE
        ) from None


async def _read(receive: Receive, limit: int) -> bytes:
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Gone
        part: bytes = message.get("body", b"")
        body += part
        if len(body) > limit:
            raise _too_large(limit)
        if not message.get("more_body"):
            return body


def replay(body: bytes) -> Receive:
    """The same body once more, for a Request."""
    said = False

    async def receive() -> Message:
        nonlocal said
        if said:
            return {"type": "http.disconnect"}
        said = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


def _too_large(limit: int) -> NotSupported:
    return NotSupported(
        413, "too_large", "The body is too large", f"at most {limit} bytes are allowed", CLOSE
    )
