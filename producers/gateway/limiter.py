"""How often one caller may come, and what the answer's RateLimit headers say of it (IETF httpapi-ratelimit-headers)."""

import ipaddress
import math
import time
from collections.abc import Callable
from typing import NamedTuple

from limits import RateLimitItemPerMinute
from limits.strategies import MovingWindowRateLimiter

from pipeline.settings import Gateway
from producers.gateway.errors import RateLimited
from producers.gateway.windows import Windows

WINDOW_SECONDS = 60
V6_NETWORK_BITS = 64
"""A household has a whole network of this size: its addresses are one caller."""


class Spent(NamedTuple):
    """What one policy allows this caller: `left` of `quota` a minute; in `reset` seconds there is one more."""

    policy: str
    quota: int
    left: int
    reset: int

    def headers(self) -> tuple[str, str]:
        """Its part of RateLimit-Policy and of RateLimit."""
        return (
            f'"{self.policy}";q={self.quota};w={WINDOW_SECONDS}',
            f'"{self.policy}";r={self.left};t={self.reset}',
        )


class Limiter:
    """Counts the calls of addresses and of tokens. Thread-safe, does not block. `clock`: seconds, never going back."""

    def __init__(self, gateway: Gateway, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._windows = MovingWindowRateLimiter(Windows(clock=clock))
        self._address = RateLimitItemPerMinute(gateway.address_per_minute, namespace="address")
        self._page = RateLimitItemPerMinute(gateway.address_per_minute, namespace="page")
        self._stranger = RateLimitItemPerMinute(gateway.address_per_minute, namespace="stranger")
        self._token = RateLimitItemPerMinute(gateway.token_per_minute, namespace="token")
        self._total = RateLimitItemPerMinute(gateway.token_total_per_minute, namespace="token-total")

    def address(self, address: str) -> Spent:
        """Count a call of this address. Raises RateLimited."""
        return self._spend("address", self._address, caller_of(address))

    def page(self, address: str) -> Spent:
        """Count a page that this address may see as often, whatever else it calls. Raises RateLimited."""
        return self._spend("page", self._page, caller_of(address))

    def stranger(self, address: str) -> Spent:
        """Count a request of this address that no known device has signed. Raises RateLimited."""
        return self._spend("stranger", self._stranger, caller_of(address))

    def token(self, token_id: str, address: str) -> tuple[Spent, Spent]:
        """Count a submit with this token: for this address, and for all together. Raises RateLimited.

        What one address is refused does not count for all: nobody uses up a code that hangs on a wall alone.
        """
        own = self._spend("token", self._token, token_id, caller_of(address))
        return own, self._spend("token-total", self._total, token_id)

    def _spend(self, policy: str, item: RateLimitItemPerMinute, *caller: str) -> Spent:
        allowed = self._windows.hit(item, *caller)
        stats = self._windows.get_window_stats(item, *caller)
        reset = max(1, math.ceil(stats.reset_time - self._clock()))
        spent = Spent(policy, item.amount, max(0, stats.remaining), reset)
        if not allowed:
            raise RateLimited(headers_of(spent) | {"Retry-After": str(reset)})
        return spent


def headers_of(*spent: Spent) -> dict[str, str]:
    """The RateLimit headers of an answer; none if nothing was counted."""
    if not spent:
        return {}
    policies, limits = zip(*(one.headers() for one in spent), strict=True)
    return {"RateLimit-Policy": ", ".join(policies), "RateLimit": ", ".join(limits)}


def caller_of(address: str) -> str:
    """Whom an address stands for: itself, or the network of an IPv6 address."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address
    if ip.version == 4:
        return str(ip)
    return str(ipaddress.ip_network((ip, V6_NETWORK_BITS), strict=False))
