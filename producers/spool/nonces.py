"""Which nonces were used lately: in memory, because there are as many as requests; the database only remembers them for us."""

import sqlite3
from collections import deque
from collections.abc import Iterable


class Nonces:
    """Those that are still worth knowing, oldest first. `keep` (ms) is how long that is, by the spool's clock."""

    def __init__(self, connection: sqlite3.Connection, keep: int) -> None:
        self._keep = keep
        self._order: deque[tuple[str, int]] = deque(
            connection.execute("select nonce, at from nonce order by id")
        )
        self._used = {nonce for nonce, _ in self._order}

    def among(self, nonces: Iterable[str]) -> set[str]:
        """Those of them that were used."""
        return self._used.intersection(nonces)

    def use(self, nonces: Iterable[str], now: int) -> None:
        """They are used now (ms). Call it when that is committed."""
        for nonce in nonces:
            self._order.append((nonce, now))
            self._used.add(nonce)

    def forget(self, now: int) -> int:
        """Forget the old ones, in the order of their use; returns the time (ms) before which nothing is known any more."""
        before = now - self._keep
        while self._order and self._order[0][1] < before:
            self._used.discard(self._order.popleft()[0])
        return before
