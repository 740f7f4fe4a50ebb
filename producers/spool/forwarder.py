"""The forwarder: drains a spool into its sink, in order, and goes on after whatever happened to either.

A row is marked when the sink has acknowledged it. A crash between the two sends it twice, and the fold ignores the second.
"""

import logging
import random
import threading
import time
from collections.abc import Mapping, Sequence

from producers.spool.record import Row
from producers.spool.sink import Refused, Sink, Unsent
from producers.spool.spool import Spool

log = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS, LAST_PAUSE_SECONDS = 0.25, 30.0
IDLE_SECONDS = 5.0
"""New rows wake it at once; this is for what no row announces."""
GATHER_SECONDS = 0.1
"""Between two rounds that are not full. A row that comes alone goes at once; under load rows go by the hundred, which costs the
process 50 µs less for each of them, a quarter of what a request costs."""
PRUNE_SECONDS = 60.0


class Forwarder:
    """Runs in a thread from `start` to `stop`. The sink is its own from then on."""

    def __init__(self, spool: Spool, sink: Sink, first_pause: float = FIRST_PAUSE_SECONDS) -> None:
        self._spool, self._sink = spool, sink
        self._first_pause = self._pause = first_pause
        self._pruned = time.monotonic()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="spool-forwarder", daemon=True)
        self.last_error = ""
        """Why the last attempt failed; empty when it did not."""

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, seconds: float = 10.0) -> bool:
        """End it after what it is sending, waiting so long at most; whether it has ended. What is not marked is sent again."""
        self._stop.set()
        self._spool.more.set()
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def forward_some(self) -> int:
        """Send what waits first, as much as the sink takes at once; returns how many rows. Blocks. Raises what sink and spool raise."""
        rows = self._spool.pending(self._sink.most_rows, self._sink.most_bytes)
        if not rows:
            return 0
        refused = self._send(rows)
        for seq, reason in refused.items():
            log.error("spool_row_refused", extra={"seq": seq, "reason": reason})
        self._spool.mark_sent(rows, refused)
        return len(rows)

    def _send(self, rows: Sequence[Row]) -> Mapping[int, str]:
        """Returns what was refused."""
        try:
            self._sink.send(rows)
        except Refused as refused:
            return refused.reasons
        return {}

    def _run(self) -> None:
        while not self._stop.is_set():
            self._spool.more.clear()
            try:
                sent = self.forward_some()
                self._prune()
            except Exception as error:  # noqa: BLE001  whatever it is, the rows wait on and are tried again
                self._rest(error)
                continue
            self.last_error, self._pause = "", self._first_pause
            if not sent and not self._stop.is_set():
                self._spool.more.wait(IDLE_SECONDS)
            elif sent < self._sink.most_rows:
                self._stop.wait(GATHER_SECONDS)
        self._sink.close()

    def _rest(self, error: Exception) -> None:
        """Wait before the next attempt: twice as long as last time, and never the same for two of us."""
        self.last_error = str(error) if isinstance(error, Unsent) else type(error).__name__
        log.warning("spool_not_forwarded", extra={"error": self.last_error})
        least = error.retry_after if isinstance(error, Unsent) else 0
        self._stop.wait(max(self._pause * random.uniform(0.5, 1), least))
        self._pause = min(2 * self._pause, LAST_PAUSE_SECONDS)

    def _prune(self) -> None:
        if time.monotonic() - self._pruned > PRUNE_SECONDS:
            self._spool.prune()
            self._pruned = time.monotonic()
