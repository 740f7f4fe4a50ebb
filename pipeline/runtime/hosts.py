"""By which names we are called: a page of elsewhere whose name was rebound to our address (DNS rebinding) gets nothing."""

import ipaddress
from collections.abc import Iterable

WRONG = "this is not called by that name: call it by its address, or set HCP_WEB__HOST_NAMES\n"


class Hosts:
    """`localhost` and these names, in any case; and every address, for a rebound page has a name."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._names = frozenset(map(_plain, ["localhost", *names]))

    def has(self, host: str) -> bool:
        """Whether a request with this header `Host` means us; its port says nothing."""
        name = _plain(host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0])
        return name in self._names or _is_address(name)


def _plain(name: str) -> str:
    return name.lower().removesuffix(".")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
