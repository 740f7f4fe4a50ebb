"""A question to a server that may be away or hang: asked in a thread of its own, answered within a deadline."""

import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Generic, NamedTuple, TypeVar

from kafka.errors import KafkaError
from sqlalchemy.exc import DBAPIError

from consumers.kept import in_thread
from pipeline.settings import NotConfiguredError

T = TypeVar("T")

DEADLINE_SECONDS = 2.5
"""With the second that a command needs to start, and as much to spare, `hcp status` answers within 5 s."""
FIRST_SECONDS = 1.0
"""How long an answer is waited for before the server is asked whether it is there."""


class Answer(NamedTuple, Generic[T]):
    """The value, or the error as a sentence."""

    value: T | None
    error: str = ""


class Question(Generic[T]):
    """Asks `who` with `ask`. For one caller at a time.

    `alive` blocks and raises if the server is away: while it does not, a long answer is waited for.
    """

    def __init__(self, who: str, ask: Callable[[], T], alive: Callable[[], object] | None = None) -> None:
        self._who, self._ask, self._alive = who, ask, alive
        self._asked: Future[T] | None = None

    def put(self) -> None:
        """Ask, unless the last question is still unanswered. Does not block."""
        if self._asked is None:
            self._asked = in_thread(self._ask)
        self._put_at = time.monotonic()

    def answer(self) -> Answer[T]:
        """Wait for it, 2.5 s after `put` at most if the server does not answer. Raises NotConfiguredError only."""
        try:
            return Answer(self._answered())
        except NotConfiguredError:
            raise
        except TimeoutError:
            return Answer(None, f"{self._who} does not answer within {DEADLINE_SECONDS:g} s")
        except (DBAPIError, KafkaError) as error:
            return Answer(None, f"{self._who} does not answer: {_first_line(getattr(error, 'orig', error))}")
        except Exception as error:  # noqa: BLE001  a defect of the view must not end what is viewed
            return Answer(
                None, f"{self._who}: this view has a defect: {type(error).__name__}: {_first_line(error)}"
            )

    def _answered(self) -> T:
        if self._asked is None:
            raise RuntimeError("put comes first")
        while not wait([self._asked], FIRST_SECONDS if self._alive else self._left()).done:
            if self._alive is None:
                raise TimeoutError
            in_thread(self._alive).result(DEADLINE_SECONDS - FIRST_SECONDS)
        asked, self._asked = self._asked, None
        return asked.result()

    def _left(self) -> float:
        return max(0.0, self._put_at + DEADLINE_SECONDS - time.monotonic())


def _first_line(error: object) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
