"""How long to wait before a process is started again."""

FIRST_SECONDS = 0.5
LAST_SECONDS = 30.0
HEALTHY_SECONDS = 60.0


class Backoff:
    """0.5 s, doubled each time, 30 s at most; after a minute of health from the beginning."""

    def __init__(self) -> None:
        self._next = FIRST_SECONDS

    def after(self, healthy_seconds: float) -> float:
        """The seconds to wait, now that it ended after having worked for so long."""
        if healthy_seconds >= HEALTHY_SECONDS:
            self._next = FIRST_SECONDS
        wait, self._next = self._next, min(self._next * 2, LAST_SECONDS)
        return wait
