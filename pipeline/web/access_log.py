"""Who opened which page of an operator's, and from where. There are no accounts: who is the user of this machine's system."""

import logging
import pwd
import socket
import struct
from contextlib import suppress
from pathlib import Path

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

ESTABLISHED = "01"
_FORWARDED_CHARACTERS = 100
_CONNECTIONS = {socket.AF_INET: Path("/proc/net/tcp"), socket.AF_INET6: Path("/proc/net/tcp6")}

log = logging.getLogger(__name__)


class AccessLog:
    """Logs `page_opened` for each request but those whose path begins with one of `unlogged`: no query, nothing of a body."""

    def __init__(self, app: ASGIApp, unlogged: tuple[str, ...] = ()) -> None:
        self.app, self._unlogged = app, unlogged

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http" or scope["path"].startswith(self._unlogged):
            await self.app(scope, receive, send)
            return
        user = user_of(scope.get("client"), scope.get("server"))  # while the connection is still there

        async def send_logged(message: Message) -> None:
            if message["type"] == "http.response.start":
                _log(scope, user, message["status"])
            await send(message)

        await self.app(scope, receive, send_logged)


def _log(scope: Scope, user: str, status: int) -> None:
    path = scope.get("raw_path") or scope["path"].encode("utf-8", "replace")  # as sent: without line breaks
    fields = {
        "method": scope["method"],
        "path": path.decode("ascii", "backslashreplace"),
        "status": status,
        "user": user or "unknown",
        "address": scope["client"][0] if scope.get("client") else "unknown",
    }
    if forwarded := Headers(scope=scope).get("x-forwarded-for"):
        fields["forwarded"] = ascii(forwarded[:_FORWARDED_CHARACTERS])
    log.info("page_opened", extra=fields)


def user_of(client: tuple[str, int] | None, server: tuple[str, int | None] | None) -> str:
    """The system's user whose process on this machine is the connection's other end; "" if it is on another. Linux only."""
    if client is None or server is None or server[1] is None:
        return ""
    ends = _end(*client), _end(server[0], server[1])
    with suppress(OSError):
        for line in _CONNECTIONS[_family(client[0])].read_text().splitlines()[1:]:
            _, local, remote, state, _, _, _, uid, *_ = line.split()
            if (local, remote) == ends and state == ESTABLISHED:
                return _name(int(uid))
    return ""


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def _end(address: str, port: int) -> str:
    """As /proc/net/tcp writes it: words of 32 bits in this machine's order."""
    packed = socket.inet_pton(_family(address), address)
    words = struct.unpack(f"={len(packed) // 4}I", packed)
    return "".join(f"{word:08X}" for word in words) + f":{port:04X}"
