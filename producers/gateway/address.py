"""Who asks: the address of a request, told through the proxies that we trust and through no other."""

import ipaddress
from collections.abc import Iterable

from starlette.types import Scope

UNKNOWN = "unknown"
"""Who cannot be told from others: all of them together have the limit of one address, and none is an operator."""
MOST_HOPS = 16
"""Proxies of ours in a row; what has come through more has gone round in a circle."""
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Proxies:
    """The proxies that are believed. ValueError for what is no address or network."""

    def __init__(self, trusted: Iterable[str]) -> None:
        self._trusted = [ipaddress.ip_network(one, strict=False) for one in trusted]

    def caller(self, peer: str, forwarded: str) -> str:
        """The address of the caller, or UNKNOWN. `peer`: of the connection; `forwarded`: the X-Forwarded-For headers, joined
        by commas.

        From the right, the first that is no proxy of ours: what stands left of it, the caller may have written itself. UNKNOWN
        if a proxy of ours names something that is no address.
        """
        said = forwarded.rsplit(",", MOST_HOPS) if forwarded else []
        here = _address(peer)
        while here is not None and said and self.trusts(here):
            here = _address(said.pop())
        return UNKNOWN if here is None else str(here)

    def trusts(self, address: Address) -> bool:
        """Whether this is a proxy of ours."""
        return any(address in network for network in self._trusted)

    def is_operator(self, peer: str, forwarded: str) -> bool:
        """Whether this comes from this machine or from a trusted one itself, not through it from elsewhere."""
        here = _address(self.caller(peer, forwarded))
        believed = not forwarded or self.is_trusted(peer)
        return here is not None and believed and (here.is_loopback or self.trusts(here))

    def is_trusted(self, peer: str) -> bool:
        """The same, of an address as a connection has it."""
        here = _address(peer)
        return here is not None and self.trusts(here)


def peer_of(scope: Scope) -> tuple[str, str]:
    """The connection's address, and what the proxies say of the caller's: the X-Forwarded-For headers, joined by commas."""
    client = scope["client"]
    said = [value.decode("latin-1") for name, value in scope["headers"] if name == b"x-forwarded-for"]
    return client[0] if client else "", ",".join(said)


def _address(text: str) -> Address | None:
    """An address as proxies write it: perhaps with a port, an IPv6 one perhaps in brackets."""
    plain = text.strip()
    if plain.startswith("["):
        plain = plain[1:].partition("]")[0]
    elif plain.count(":") == 1:
        plain = plain.partition(":")[0]
    try:
        address = ipaddress.ip_address(plain.partition("%")[0])  # the zone of an IPv6 address is any text
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped or address
