"""Asks until there is an answer: when the gateway is away, full or has heard too much of one, the same again later."""

import asyncio
import time
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

import msgspec

from producers.simulator.connection import Answer, Connection, Lost, Request
from producers.simulator.tally import Tally

FIRST_PAUSE, LAST_PAUSE = 0.1, 2.0
"""Seconds between two tries."""
LATER = frozenset(
    {
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
    }
)
"""Time alone changes these answers."""

_problem = msgspec.json.Decoder(dict[str, Any]).decode


class Stopped(Exception):
    """It was told to stop before there was an answer."""


class Asker:
    """A connection of its own, for one task."""

    def __init__(self, url: str, tally: Tally, stop: asyncio.Event) -> None:
        self._connection = Connection(url)
        self._tally, self._stop = tally, stop

    async def ask(self, what: str, names: Iterable[str], write: Callable[[], Request]) -> Answer:
        """The answer. `what`: under which its time is noted. `write` makes each try anew, for it is signed for its time; `names`: the ids of events that are in it.

        Raises Stopped; what was sent without an answer is then noted.
        """
        if self._stop.is_set():
            raise Stopped
        pause, sent = FIRST_PAUSE, False
        while True:
            began = time.monotonic()
            try:
                answer = await self._connection.ask(write())
            except Lost as lost:
                sent, wait = True, pause
                self._tally.again[str(lost)] += 1
            else:
                self._tally.answered(what, time.monotonic() - began)
                if answer.status not in LATER:
                    return answer
                wait = float(answer.headers.get("retry-after", pause))
                self._tally.again[kind_of(answer)] += 1
            await self.rest(wait, names if sent else ())
            pause = min(2 * pause, LAST_PAUSE)

    async def rest(self, seconds: float = FIRST_PAUSE, unanswered: Iterable[str] = ()) -> None:
        """Wait before the next try. Raises Stopped."""
        try:
            await asyncio.wait_for(self._stop.wait(), seconds)
        except TimeoutError:
            return
        self._tally.unanswered.update(unanswered)
        raise Stopped

    def close(self) -> None:
        """Let go of the connection."""
        self._connection.close()


def kind_of(answer: Answer) -> str:
    """Why it was refused: the problem's kind, or the status of a page."""
    if "problem+json" in answer.headers.get("content-type", ""):
        return kind_in(_problem(answer.body))
    return f"page_{answer.status}"


def kind_in(problem: dict[str, Any]) -> str:
    """The last part of a problem's type."""
    return str(problem.get("type", "")).rpartition(":")[2] or "no_kind"
