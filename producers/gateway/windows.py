"""The last calls of each caller, in memory, of bounded size: a storage for the moving windows of `limits`.

The library's own memory storage walks all its keys in a thread after each hit, and never lets go of a key it has seen.
"""

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import NoReturn

from limits.storage.base import MovingWindowSupport, Storage

MAX_CALLERS = 20_000
"""60 calls each are 2 kB, 40 MB together. One more, and the one that was silent for longest is forgotten."""


class Windows(Storage, MovingWindowSupport):
    """Thread-safe. `clock`: seconds, never going back."""

    STORAGE_SCHEME = None

    def __init__(self, max_callers: int = MAX_CALLERS, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._calls: OrderedDict[str, deque[float]] = OrderedDict()
        self._max, self._clock, self._lock = max_callers, clock, threading.Lock()

    def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Count `amount` calls, if the window of `expiry` seconds has room for them."""
        with self._lock:
            calls = self._recent(key, expiry)
            if len(calls) + amount > limit:
                return False
            calls.extend([self._clock()] * amount)
            return True

    def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:  # noqa: ARG002  the library's words
        """When the oldest call that counts was made, and how many count."""
        with self._lock:
            calls = self._recent(key, expiry)
            return (calls[0] if calls else self._clock()), len(calls)

    def _recent(self, key: str, expiry: int) -> deque[float]:
        calls = self._calls.setdefault(key, deque())
        self._calls.move_to_end(key)
        if len(self._calls) > self._max:
            self._calls.popitem(last=False)
        oldest = self._clock() - expiry
        while calls and calls[0] <= oldest:
            calls.popleft()
        return calls

    def clear(self, key: str) -> None:
        """Forget one caller."""
        with self._lock:
            self._calls.pop(key, None)

    def reset(self) -> int:
        """Forget all; returns how many there were."""
        with self._lock:
            known = len(self._calls)
            self._calls.clear()
            return known

    def check(self) -> bool:
        """It is there."""
        return True

    @property
    def base_exceptions(self) -> type[Exception]:
        """What a storage elsewhere would raise when it is away."""
        return ConnectionError

    def incr(self, key: str, expiry: int, amount: int = 1) -> NoReturn:
        """Not for moving windows, nor the two that follow."""
        raise NotImplementedError

    def get(self, key: str) -> NoReturn:
        raise NotImplementedError

    def get_expiry(self, key: str) -> NoReturn:
        raise NotImplementedError
