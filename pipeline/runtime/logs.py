"""The process's log: one line an event, time, level, its static name and its fields; the same line once a minute."""

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message"}

REPEAT_SECONDS = 60.0
MAX_LINES = 1_000
"""Lines that are remembered: about 1 MB."""
LEVELS = dict.fromkeys(
    ("schemas", "pipeline", "producers", "consumers", "deploy", "faust", "mode"), logging.INFO
) | {
    "kafka": logging.CRITICAL,
    "aiokafka": logging.WARNING,
}
"""From which level on a logger is heard, every other from WARNING on: no library tells of connections, metadata, requests: what
failed is said by who wanted it."""


class Lines(logging.Formatter):
    """`2026-11-23T07:20:01+0000 WARNING away task=devices error=OperationalError`."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S%z")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  logging's name
        """The line, with the fields behind it."""
        return " ".join([super().formatMessage(record), *_fields(record)])


class _Seen(NamedTuple):
    """A line that was written at `since` (monotonic seconds), and how often it came again."""

    since: float
    again: int
    last: logging.LogRecord


class OncePerMinute(logging.Handler):
    """Hands a line on, and counts the same line for a minute: then it is written once more with `repeated=<count>`.

    The same: of the same logger and level, with the same words and fields. Thread-safe. `clock`: seconds, never going back.
    """

    def __init__(self, out: logging.Handler, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._out, self._clock = out, clock
        self._seen: OrderedDict[str, _Seen] = OrderedDict()
        self._timer: threading.Timer | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Write this line, or count it. The handler's lock is held."""
        self._tell(self._clock() - REPEAT_SECONDS)
        key = _key(record)
        if before := self._seen.get(key):
            self._seen[key] = before._replace(again=before.again + 1, last=record)
            self._wake()
            return
        self._seen[key] = _Seen(self._clock(), 0, record)
        if len(self._seen) > MAX_LINES:
            self._write(self._seen.popitem(last=False)[1])
        self._out.handle(record)

    def flush(self) -> None:
        """Write what was only counted until now."""
        self.acquire()
        try:
            self._tell(float("inf"))
            self._out.flush()
        finally:
            self.release()

    def _tell(self, until: float) -> None:
        """Write the counts of lines first written before `until`, and forget those lines."""
        while self._seen:
            key, oldest = next(iter(self._seen.items()))
            if oldest.since > until:
                return
            del self._seen[key]
            self._write(oldest)

    def _write(self, seen: _Seen) -> None:
        if seen.again:
            self._out.handle(logging.makeLogRecord(vars(seen.last) | {"repeated": seen.again}))

    def _wake(self) -> None:
        """A count must not wait for the next line, which may never come."""
        if self._timer is None or not self._timer.is_alive():
            self._timer = threading.Timer(REPEAT_SECONDS, self.flush)
            self._timer.daemon = True
            self._timer.start()


def _key(record: logging.LogRecord) -> str:
    return " ".join([record.name, record.levelname, record.getMessage(), *_fields(record)])


def _fields(record: logging.LogRecord) -> list[str]:
    return [f"{name}={value}" for name, value in vars(record).items() if name not in _OWN]


def flush() -> None:
    """Write what was only counted until now, before this process ends in a way that Python does not see."""
    for handler in logging.getLogger().handlers:
        handler.flush()


def begin() -> None:
    """Log to the standard error from now on; where this process logs already, only set from which level on."""
    out = logging.StreamHandler()
    out.setFormatter(Lines())
    logging.basicConfig(level=logging.WARNING, handlers=[OncePerMinute(out)])
    for name, level in LEVELS.items():
        logging.getLogger(name).setLevel(level)
