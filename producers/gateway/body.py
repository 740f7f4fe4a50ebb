"""Reading what a request says, in its query and its body: so many bytes at most, within so many seconds."""

from starlette.types import Message, Receive, Scope

from producers.gateway.errors import NotSupported
from producers.gateway.patience import Patience

SECONDS = 10.0
"""For the whole body: 64 KiB in it are 7 kB/s, a bad telephone line."""
MOST_QUERY = 2048
"""Bytes of a query. Ours have a hundred; taking a long one apart holds up everybody else."""
CLOSE = {"Connection": "close"}
"""What is left of the body is not read."""


class Gone(Exception):
    """The caller hung up before it had said everything. Nobody is there to answer."""


async def read_body(scope: Scope, receive: Receive, limit: int, patience: Patience) -> bytes:
    """The whole body. Raises NotSupported if it is too large or too slow, or the query too long; Gone."""
    if len(scope["query_string"]) > MOST_QUERY:
        raise NotSupported(414, "query_too_long", "The query is too long", f"at most {MOST_QUERY} bytes")
    for name, value in scope["headers"]:
        if name == b"content-length" and int(value) > limit:
            raise _too_large(limit)
    try:
        with patience.within():
            return await _read(receive, limit)
    except TimeoutError:
        raise NotSupported(
            408, "too_slow", "The body did not come in time", f"at most {patience.seconds:g} s", CLOSE
        ) from None


async def _read(receive: Receive, limit: int) -> bytes:
    parts: list[bytes] = []
    length, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Gone
        parts.append(message.get("body", b""))
        length += len(parts[-1])
        if length > limit:
            raise _too_large(limit)
        more = message.get("more_body", False)
    return parts[0] if len(parts) == 1 else b"".join(parts)


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
