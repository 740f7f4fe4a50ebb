"""Doing something again and again until told to stop: what a watched folder and a polled database have in common."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event
from types import FrameType

from kafka.errors import KafkaError

from producers.errors import RetryLaterError

Say = Callable[[str], None]


@contextmanager
def until_told() -> Iterator[Event]:
    """An event that SIGTERM and SIGINT set: what is under way is finished first. A second one ends the process at once."""
    stop = Event()

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def leave(_number: int, _frame: FrameType | None) -> None:
        stop.set()
        restore()

    before = {number: signal.signal(number, leave) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        restore()


def poll(step: Callable[[], object], seconds: float, stop: Event, say: Say) -> None:
    """`step` now and every so many seconds, until `stop`. Blocks. What can be tried again later is said, and is."""
    while not stop.is_set():
        try:
            step()
        except RetryLaterError as error:
            say(f"{error}; next try in {seconds:g} s")
        except KafkaError as error:
            say(f"Kafka does not answer ({type(error).__name__}); next try in {seconds:g} s")
        stop.wait(seconds)
