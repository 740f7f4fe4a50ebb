"""When a simulated moment comes: as fast as life, so many times faster, or at once."""

import asyncio
import time
from collections.abc import Callable
from datetime import datetime, timedelta


class Timeline:
    """`speed`: simulated seconds in one of ours; None: at once. `clock`: seconds, never going back."""

    def __init__(
        self, began: datetime, speed: float | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._began, self._speed, self._clock = began, speed, clock
        self._started = clock()

    def seconds_until(self, at: datetime) -> float:
        """How long it is until then; 0 if it is over."""
        if self._speed is None:
            return 0.0
        due = self._started + (at - self._began).total_seconds() / self._speed
        return max(0.0, due - self._clock())


def beginning(now: datetime, days: float, speed: float | None) -> datetime:
    """When the simulated time begins so that it ends when the run does, to the second: nothing is ever in the future."""
    real = days / speed if speed else 0.0
    return (now - timedelta(days=days - real)).replace(microsecond=0)


async def wait(stop: asyncio.Event, seconds: float) -> bool:
    """Wait so long, or until it is told to stop; whether it was."""
    if seconds <= 0:
        return stop.is_set()
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return False
    return True
