"""Who may hold a connection: so many in all, so many of one address, and nobody for long without asking for something.

Deterministic, but for the clock; knows neither sockets nor HTTP. When it is full, the one that has kept us waiting for
longest makes room: whoever connects and asks at once is answered, however many sit there.
"""

import ipaddress
import resource
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple, Protocol

RESERVED_FILES = 200
"""Descriptors that are never a connection's: the spool, the database, Kafka, logs; about 50 are in use."""
LEAST_CONNECTIONS = 32
OPERATOR_CONNECTIONS = 16
"""So many more may come from this machine when it is full of connections that are being answered."""
REQUEST_SECONDS = 20.0
"""For a request, its body too, since the connection was made or the last answer was given: a bad line needs 10 for a body."""


class Connection(Protocol):
    """What holds a place."""

    def cut(self) -> None:
        """End at once, whatever is on its way."""


class Limits(NamedTuple):
    """Connections in all; of one address. `caller`: whom an address stands for, None for one that many come from (a proxy)."""

    most: int
    per_address: int
    caller: Callable[[str], str | None]


class Places:
    """For one event loop. `told` is called with what happened to a connection: `connection_refused`, `connection_cut`."""

    def __init__(
        self, limits: Limits, told: Callable[[str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limits, self._told, self._clock = limits, told, clock
        self._callers: dict[Connection, str | None] = {}
        self._of: dict[str, dict[Connection, None]] = {}
        self._waiting: OrderedDict[Connection, float] = OrderedDict()

    def __len__(self) -> int:
        """How many are held."""
        return len(self._callers)

    def take(self, connection: Connection, address: str) -> bool:
        """Give it a place, which it keeps until `leave`; another one may be cut for that. False if there is none."""
        caller = self._limits.caller(address)
        if not (self._room_of(caller) and self._room(address)):
            self._told("connection_refused")
            return False
        self._callers[connection] = caller
        if caller is not None:
            self._of.setdefault(caller, {})[connection] = None
        self._waiting[connection] = self._clock()
        return True

    def leave(self, connection: Connection) -> None:
        """It has ended. May be called again, and for one that never had a place."""
        self._waiting.pop(connection, None)
        caller = self._callers.pop(connection, None)
        if caller is not None:
            others = self._of[caller]
            del others[connection]
            if not others:
                del self._of[caller]

    def waits(self, connection: Connection) -> None:
        """From now on it is the caller's turn: nothing is under way for it."""
        if connection in self._callers:
            self._waiting[connection] = self._clock()
            self._waiting.move_to_end(connection)

    def works(self, connection: Connection) -> None:
        """From now on it is our turn: it is not cut."""
        self._waiting.pop(connection, None)

    def cut_overdue(self) -> None:
        """Cut those that have kept us waiting for too long."""
        until = self._clock() - REQUEST_SECONDS
        while self._waiting:
            connection, since = next(iter(self._waiting.items()))
            if since > until:
                return
            self._cut(connection)

    def _room_of(self, caller: str | None) -> bool:
        own = self._of.get(caller, {}) if caller is not None else {}
        if len(own) < self._limits.per_address:
            return True
        return self._cut_first(own)

    def _room(self, address: str) -> bool:
        most = self._limits.most + (OPERATOR_CONNECTIONS if _is_loopback(address) else 0)
        return len(self) < most or self._cut_first(self._waiting)

    def _cut_first(self, those: "dict[Connection, None] | OrderedDict[Connection, float]") -> bool:
        oldest = next((one for one in those if one in self._waiting), None)
        if oldest is not None:
            self._cut(oldest)
        return oldest is not None

    def _cut(self, connection: Connection) -> None:
        self.leave(connection)
        connection.cut()
        self._told("connection_cut")


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def allowed_by_files(most: int) -> int:
    """So many connections as this process may have files for, `most` of them at most; asks for as many files first."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = most + OPERATOR_CONNECTIONS + RESERVED_FILES
    if hard != resource.RLIM_INFINITY:
        needed = min(needed, hard)
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
        soft = needed
    if soft == resource.RLIM_INFINITY:
        return most
    return max(LEAST_CONNECTIONS, min(most, soft - OPERATOR_CONNECTIONS - RESERVED_FILES))
