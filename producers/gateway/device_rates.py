"""How many events a device may send: as many a minute as it was given, at most a minute's worth at once."""

import math
import time
from collections.abc import Callable

from producers.devices.device import Device
from producers.gateway.errors import RateLimited
from producers.gateway.limiter import WINDOW_SECONDS, Spent, headers_of

ROUNDING = 1e-6
"""Seconds."""


class DeviceRates:
    """Counts what devices have signed, in memory: a number each. For one event loop. `clock`: seconds, never going back.

    A bucket that leaks evenly (GCRA): a moving window would keep the time of each of thousands of events.
    """

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._usual, self._clock = per_minute, clock
        self._spent_until: dict[str, float] = {}
        """When everything that a device has sent would have come, had it come evenly."""

    def spend(self, device: Device) -> None:
        """Count one event. Raises RateLimited when a minute's worth is used up."""
        now = self._clock()
        until = self._after(device, 1, now)
        over = until - now - WINDOW_SECONDS
        if over > ROUNDING:
            raise self._too_many(device, math.ceil(over))
        self._spent_until[device.device_id] = until

    def charge(self, device: Device, events: int) -> None:
        """Count so many more, whether there is room for them or not: what a batch holds is known when it was read."""
        self._spent_until[device.device_id] = self._after(device, events, self._clock())

    def _after(self, device: Device, events: int, now: float) -> float:
        """Until when it has spent, with so many events more."""
        since = max(self._spent_until.get(device.device_id, 0.0), now)
        return since + events * WINDOW_SECONDS / self._quota(device)

    def _quota(self, device: Device) -> int:
        return device.per_minute or self._usual

    def _too_many(self, device: Device, seconds: int) -> RateLimited:
        spent = Spent("device", self._quota(device), 0, seconds)
        return RateLimited(headers_of(spent) | {"Retry-After": str(seconds)})
