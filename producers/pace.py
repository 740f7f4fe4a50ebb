"""How fast records are sent: so many a second, or as fast as Kafka takes them."""

import time
from collections.abc import Callable


class Pace:
    """`wait()` before each record. `rate` None: never waits. Blocks by `sleep`; the clock is monotonic, in seconds."""

    def __init__(
        self,
        rate: float | None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._between = 1 / rate if rate else 0.0
        self._clock, self._sleep = clock, sleep
        self._next = clock()

    def wait(self) -> None:
        """Until the next record may go. A delay is not made up for by a burst of more than a second."""
        seconds = self.next_in()
        if seconds > 0:
            self._sleep(seconds)

    def next_in(self) -> float:
        """In how many seconds the next record may go, for who waits otherwise; it is then taken as gone."""
        if not self._between:
            return 0.0
        now = self._clock()
        self._next = max(self._next + self._between, now - 1)
        return max(0.0, self._next - now)
