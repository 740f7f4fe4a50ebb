"""Ports on loopback."""

import socket

from deploy.errors import StackError


def claim(port: int, what: str, setting: str) -> int:
    """`port` if it is free, any free one for 0. Raises StackError naming the setting that changes it."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise StackError(
                f"port {port} for {what} is taken by another program: stop that one, or set {setting} (0 = any free port)"
            ) from None
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    """Whether somebody takes connections there. Blocks for a second at most."""
    with socket.socket() as caller:
        caller.settimeout(1)
        return caller.connect_ex(("127.0.0.1", port)) == 0
