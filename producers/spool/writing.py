"""One group of tasks as one transaction: judged, made room for, written, committed, or nothing of it."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple

from producers.spool.judging import Held, Request, Verdict, judge
from producers.spool.nonces import Nonces
from producers.spool.record import Packed
from producers.spool.room import ROW_BYTES, Room
from producers.spool.store import Store


class Call(NamedTuple):
    """Work on the store that is no append; `future` gets what it returns."""

    work: Callable[[Store], Any]
    future: "Future[Any]"


class Writing:
    """For the committer's thread. Blocks on the disk."""

    def __init__(self, store: Store, room: Room, nonces: Nonces) -> None:
        self._store, self._room, self._nonces = store, room, nonces

    def write(
        self, requests: Sequence[Request], calls: Sequence[Call], now: int
    ) -> tuple[Verdict, list[Any]]:
        """Write and commit; returns what became of the requests and what the calls returned. Raises sqlite3.Error: nothing was written."""
        connection = self._store.connection
        connection.execute("begin immediate")
        try:
            verdict = self._decide(requests, now)
            self._put(verdict, now)
            results = [call.work(self._store) for call in calls]
            connection.execute("commit")
        finally:
            connection.rollback()  # of what was not committed
        self._nonces.use(verdict.nonces, now)
        return verdict, results

    def _decide(self, requests: Sequence[Request], now: int) -> Verdict:
        if not requests:
            return Verdict()
        self._nonces.forget(now)
        verdict = judge(requests, self._held(requests))
        if not verdict.rows or self._fits(verdict.rows):
            return verdict
        return judge(requests, self._held(requests), full="the spool is full")

    def _held(self, requests: Sequence[Request]) -> Held:
        return Held(
            self._store.known([row.event_id for request in requests for row in request.rows]),
            self._nonces.among(request.nonce for request in requests),
            self._store.owners([request.once for request in requests if request.once]),
        )

    def _fits(self, rows: Sequence[Packed]) -> bool:
        """Whether there is room; what was sent makes way, oldest first."""
        needed = sum(size(row) for row in rows)
        while self._room.left(self._store.connection) < needed:
            if not self._store.forget_sent(None):
                return False
        return True

    def _put(self, verdict: Verdict, now: int) -> None:
        if verdict.rows:
            verdict.last = self._store.insert(verdict.rows)
        if verdict.nonces:
            self._store.use_nonces((nonce, now) for nonce in verdict.nonces)
        if verdict.owners:
            self._store.use_once(verdict.owners.items())


def size(row: Packed) -> int:
    """The bytes that a row takes, about: its texts lie in the table and in the index."""
    return ROW_BYTES + len(row.packed) + 2 * (len(row.event_id) + len(row.digest))
