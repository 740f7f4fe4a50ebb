"""How long an event loop is held in one go: by one request, and with it by all others that wait.

Measured as the thread's processor time: a busy machine makes it no longer.
"""

import time
from asyncio.events import Handle
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

MOST_SECONDS = 0.05
TRIES = 3
"""The least of them counts."""


class Held:
    """The longest that the loop was held in one go, in seconds of the processor."""

    longest = 0.0


@contextmanager
def watched() -> Iterator[Held]:
    """Looks at every step of the event loops of this thread."""
    held, run = Held(), Handle._run

    def timed(handle: Handle) -> None:
        began = time.thread_time()
        run(handle)
        held.longest = max(held.longest, time.thread_time() - began)

    with patch.object(Handle, "_run", timed):
        yield held
