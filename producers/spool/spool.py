"""The spool: one folder, one process. Append first; what is appended is on disk, in order, until it is sent."""

import shutil
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from pipeline import metrics
from pipeline.clock import utc_now
from producers.spool.committer import Committer
from producers.spool.damage import damaged, mend
from producers.spool.high_water import HighWater
from producers.spool.judging import Answer, Reply, Request, Verdict
from producers.spool.lock import Lock
from producers.spool.nonces import Nonces
from producers.spool.reading import Reading
from producers.spool.record import (
    Appended,
    DamagedRow,
    FoundIn,
    Packed,
    Record,
    Row,
    Stats,
    pack,
    to_ms,
    unpack,
)
from producers.spool.room import Bounds, Room
from producers.spool.store import Store
from producers.spool.tables import writer
from producers.spool.writing import Call, Writing
from schemas.reading import MAX_BYTES

R = TypeVar("R")
NONCE_MINUTES = 10
"""Twice the usual skew: a request is acceptable that long at most, by this clock."""

PENDING_BYTES = 8 * 2**20


class Spool:
    """Opens (or makes) the spool in `folder` and starts its thread. Blocks. Close it at the end.

    Raises SpoolTaken; SpoolDamaged if it is damaged and cannot be mended.
    `max_bytes` bounds its files; rows that were sent stay for `keep_sent`, or until their room is needed.
    """

    def __init__(
        self,
        folder: Path,
        *,
        max_bytes: int,
        keep_sent: timedelta,
        keep_nonces: timedelta = timedelta(minutes=NONCE_MINUTES),
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder, self._clock = folder, clock
        self._bounds = Bounds.of(min(max_bytes, shutil.disk_usage(folder).total))
        self._keep_sent, self._keep_nonces = _ms(keep_sent), _ms(keep_nonces)
        self._appended = self._sent = self._refused = 0
        self.more = threading.Event()
        """Set when rows were appended; whoever waits for it clears it before it looks."""
        with ExitStack() as opened:
            opened.callback(Lock(folder).release)
            mend(folder, clock())
            self._open(opened)
            self._opened = opened.pop_all()

    def _open(self, opened: ExitStack) -> None:
        bounds = self._bounds
        connection = writer(self._folder, bounds.wal_pages)
        opened.callback(connection.close)
        store, self._told, self._room = Store(connection), HighWater(self._folder), Room(self._folder, bounds)
        opened.callback(self._told.close)
        self._told.set(store.last())
        self._reading = Reading(self._folder)
        opened.callback(self._reading.close)
        writing = Writing(store, self._room, Nonces(connection, self._keep_nonces))
        self._committer = Committer(writing, bounds.group_bytes, self._now, self._written)
        self._committer.start()
        opened.callback(self._committer.close)

    def append(self, record: Record, *, nonce: str = "", once: str = "") -> "Future[Appended]":
        """Store a record; the future is done when it is on disk. Does not block; from any thread.

        The future raises SpoolFull (later again), SpoolBroken, NonceUsed, and AlreadyUsed, if another event (another id, or
        the same with another body) has used `once`, which is remembered for good.
        """
        future: Future[Appended] = _begun()
        self.append_for(future, record, nonce, once)
        return future

    def append_for(self, reply: Reply, record: Record, nonce: str = "", once: str = "") -> None:
        """The same, for who has something lighter than a Future to wait with: it gets the Appended or the error."""
        self._committer.submit(Request([self._pack(record)], nonce, once, alone=True, future=reply))

    def append_all(self, records: Sequence[Record], *, nonce: str = "") -> "Future[list[Answer]]":
        """Store a batch in one commit; each record has its own answer, in their order: Appended, or SpoolFull. Does not block.

        The future raises NonceUsed or SpoolBroken for the batch as a whole. A nonce counts as used when all are stored.
        """
        future: Future[list[Answer]] = _begun()
        rows = [self._pack(record) for record in records]
        self._committer.submit(Request(rows, nonce, "", alone=False, future=future))
        return future

    def pending(self, limit: int, max_bytes: int = PENDING_BYTES) -> list[Row]:
        """The first rows that wait, in order: `limit` at most, and about `max_bytes`, but one at least. Blocks.

        A row that the disk has changed is set aside.
        """
        rows = []
        for seq, packed in self._reading.pending(limit, max_bytes):
            try:
                rows.append(unpack(seq, packed))
            except DamagedRow as error:
                self.set_aside(seq, str(error))
        return rows

    def mark_sent(self, rows: Sequence[Row], refused: Mapping[int, str] | None = None) -> None:
        """These, the first that waited, are acknowledged, but for those refused (seq to reason), which are set aside. Blocks."""
        if rows:
            first, last, now, aside = rows[0].seq, rows[-1].seq, self._now(), refused or {}
            self._call(lambda store: store.settle(first, last, aside, now))
            self._sent += len(rows) - len(aside)
            self._refused += len(aside)
            metrics.SPOOL_SENT.inc(len(rows) - len(aside))

    def set_aside(self, seq: int, reason: str) -> None:
        """This row will never be taken: keep it, with the reason, and go on without it. Blocks."""
        now = self._now()
        self._call(lambda store: store.set_aside(seq, reason, now))
        self._refused += 1

    def retry_refused(self) -> int:
        """What was set aside waits again, behind everything else; returns how many rows. Blocks."""
        count = self._call(lambda store: store.retry_refused())
        self.more.set()
        return count

    def resend(self, since: datetime) -> None:
        """What was sent since this time, and everything behind it, waits again. Blocks."""
        self._call(lambda store: store.resend(to_ms(since)))
        self.more.set()

    def prune(self) -> None:
        """Delete what was sent longer ago than it is kept, and old nonces. Blocks; appends go on meanwhile."""
        now = self._now()
        before, nonces_before = now - self._keep_sent, now - self._keep_nonces
        self._call(lambda store: store.forget_nonces(nonces_before))
        while self._call(lambda store: store.forget_sent(before)):
            pass

    def find(self, event_id: str) -> FoundIn | None:
        """Whether the spool has this event, and where it stands. Blocks for a moment."""
        return self._reading.find(event_id)

    def probe(self) -> "Future[bool]":
        """Write to the disk as an append does, and nothing of meaning; then whether an event, if it is a large one, finds room.

        Does not block. The future raises SpoolFull (the disk has no room), SpoolBroken (it has failed, also just now).
        """
        future: Future[bool] = _begun()
        self._committer.submit(Call(self._probe, future))
        return future

    def _probe(self, store: Store) -> bool:
        store.probe(self._now())
        return not self._is_full(store)

    def _is_full(self, store: Store) -> bool:
        return not store.has_sent() and self._room.left(store.connection) < MAX_BYTES

    def record(self, event_id: str) -> Record | None:
        """What was appended of this event, if the spool still has it, undamaged. Blocks for a moment."""
        row = self._reading.row(event_id)
        try:
            return unpack(*row).record if row else None
        except DamagedRow:
            return None

    def owner(self, once: str) -> str:
        """The id of the event that has used what may be used once; empty if none has. Blocks for a moment."""
        return self._reading.owner(once)

    def stats(self) -> Stats:
        """How it stands now. Blocks for a moment."""
        pending, sent, refused = self._reading.counts()
        used = self._reading.used(self._room)
        return Stats(
            pending=pending,
            waiting_bytes=used * pending // max(pending + sent, 1),
            used_bytes=used,
            max_bytes=self._bounds.max_bytes,
            oldest_seconds=self._oldest_seconds(),
            appended=self._appended,
            sent=self._sent,
            refused=self._refused,
            refused_rows=refused,
            damaged=damaged(self._folder),
        )

    def measure(self, age_limit: timedelta) -> None:
        """Set the gauges to what is so now; `age_limit` is how old a row that waits may be. Blocks for a moment."""
        now = self.stats()
        metrics.SPOOL_PENDING.set(now.pending)
        metrics.SPOOL_WAITING_BYTES.set(now.waiting_bytes)
        metrics.SPOOL_USED_BYTES.set(now.used_bytes)
        metrics.SPOOL_MAX_BYTES.set(now.max_bytes)
        metrics.SPOOL_OLDEST.set(now.oldest_seconds)
        metrics.SPOOL_AGE_LIMIT.set(age_limit.total_seconds())
        metrics.SPOOL_REFUSED.set(now.refused_rows)
        metrics.SPOOL_DAMAGED.set(now.damaged)

    def _oldest_seconds(self) -> float:
        received = self._reading.oldest()
        return 0.0 if received is None else max(0, self._now() - received) / 1000

    @property
    def failed(self) -> str:
        """Why it takes nothing any more until it is opened anew, in a sentence; empty while it does."""
        return self._committer.failed

    def close(self) -> None:
        """Commit what waits, then let go of the folder. Blocks. Appends from now on raise SpoolBroken."""
        self._opened.close()

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def _written(self, verdict: Verdict) -> None:
        metrics.SPOOL_TURNED_AWAY.inc(verdict.turned_away)
        if verdict.rows:
            self._told.set(verdict.last)
            self._appended += len(verdict.rows)
            metrics.SPOOL_APPENDED.inc(len(verdict.rows))
            self.more.set()

    def _pack(self, record: Record) -> Packed:
        return pack(record, self._now())

    def _now(self) -> int:
        return to_ms(self._clock())

    def _call(self, work: Callable[[Store], R]) -> R:
        future: Future[R] = _begun()
        self._committer.submit(Call(work, future))
        return future.result()


def _ms(span: timedelta) -> int:
    return span // timedelta(milliseconds=1)


def _begun() -> "Future[Any]":
    """A future that cannot be cancelled any more: whoever waits for it may go, what was asked for is done."""
    future: Future[Any] = Future()
    future.set_running_or_notify_cancel()
    return future
