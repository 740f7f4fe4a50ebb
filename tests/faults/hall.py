"""The hall: a gateway whose spool has a small disk, and a sender that remembers what the gateway said to each event."""

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import count
from threading import Event, Thread
from typing import Any

import httpx

from pipeline.settings import Settings
from producers.devices.device import Device
from producers.devices.managing import Office
from producers.gateway.problems import TYPE
from producers.spool.reading import Reading
from tests.bench.figures import Wrong
from tests.faults.disk import fill
from tests.gateway import GatewayProcess, Sender
from tests.harness import DEPT, System, case, review
from tests.wait import wait_for

RATE = 20
"""Events a second: a trickle beside the load, and some twenty requests that meet a disk which is full for a second."""
KEEP_SENT_HOURS = 0
"""What was sent makes way on a full disk: a spool that kept it would have room for minutes, and refuse nobody."""
STILL_SECONDS = 90.0
"""The forwarder rests for half a minute at most after Kafka was away."""
NO_ROOM = """
    import sqlite3
    from pathlib import Path
    from producers.spool.writing import Writing
    put = Writing._put
    def full(self, verdict, now):
        if verdict.rows and Path({ballast!r}).exists():
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorcode = sqlite3.SQLITE_FULL
            raise error
        put(self, verdict, now)
    Writing._put = full
"""
"""Where the spool has no disk of its own: SQLite says that it is full while the ballast is there."""


class Hall:
    """`taken`, `turned_away` (no room), `unanswered`: ids of events by what the gateway said. `wrong`: what it must not say or do, and how often.

    `outer`: the settings of who reaches the servers through the proxies, as the gateway does. `code` runs in it first (a broken twin).
    """

    def __init__(self, system: System, outer: Settings, code: str, *, own_disk: bool) -> None:
        settings = outer.model_copy(deep=True)
        settings.gateway.keep_sent_hours = KEEP_SENT_HOURS
        self.taken: list[str] = []
        self.turned_away: list[str] = []
        self.unanswered: list[str] = []
        self.wrong: Counter[str] = Counter()
        self._system, self._own_disk = system, own_disk
        self._spool = system.folder / "spool"
        self._ballast = self._spool / "ballast"
        injected = "" if own_disk else NO_ROOM.format(ballast=str(self._ballast))
        self._gateway = GatewayProcess(settings, system.folder, injected + code)
        self._http, self._stop = httpx.Client(timeout=20), Event()
        self._thread = Thread(target=self._run, name="hall", daemon=True)

    def start(self) -> None:
        """Open the gateway and begin to send, from the thread that stays. Blocks until it answers."""
        key = Office(self._system.settings).add(Device("hall", "system", channels=("pc",), dept_code=DEPT))
        self._sender = Sender(self._gateway.url, key, self._http.post)
        self._gateway.start()
        self._thread.start()

    def fill_disk(self) -> Callable[[], None]:
        """Leave the spool no room; returns what gives it back."""
        if self._own_disk:
            return fill(self._ballast)
        self._ballast.touch()
        return self._ballast.unlink

    def follow(self) -> None:
        """Wait until the ledger has a review that is taken from now on. Blocks; raises Wrong if that takes too long."""
        known = len(self.taken)
        _wait(lambda: self._has_any(self.taken[known:]), "an event of the gateway to come to the ledger")

    def finish(self) -> None:
        """Send no more; blocks until the log has all that the gateway took. Raises Wrong if that takes too long."""
        self._stop.set()
        self._thread.join()
        reading = Reading(self._spool)
        try:
            _wait(lambda: reading.counts().pending == 0, "the gateway to hand on what it took")
        finally:
            reading.close()

    def close(self) -> None:
        """Kill what is left."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        self._gateway.kill()
        self._http.close()

    def _has_any(self, ids: list[str]) -> bool:
        question = "select count(*) from review where event_id = any(:ids)"
        return bool(ids) and self._system.one(question, ids=ids) > 0

    def _run(self) -> None:
        for event in _events():
            if self._stop.wait(1 / RATE):
                return
            self._send(event)

    def _send(self, event: dict[str, Any]) -> None:
        try:
            answer = self._sender.send(event)
        except httpx.HTTPError:
            self.unanswered.append(event["event_id"])
            return
        if answer.status_code == httpx.codes.ACCEPTED:
            self.taken.append(event["event_id"])
        elif _says_full(answer):
            self.turned_away.append(event["event_id"])
        else:
            self.wrong[f"the gateway said {answer.status_code} {answer.text[:200]}"] += 1


def _says_full(answer: httpx.Response) -> bool:
    """There is no room now, and it says when to come again."""
    is_full = answer.status_code == httpx.codes.SERVICE_UNAVAILABLE and f"{TYPE}full" in answer.text
    return is_full and int(answer.headers.get("retry-after", 0)) > 0


def _events() -> Iterator[dict[str, Any]]:
    """A case and its review, and the next; a few of the citizens are not content."""
    for n in count():
        yield case(f"HALL-{n}")
        yield review(f"HALL-{n}", 1 if n % 20 == 0 else 5, channel="pc")


def _wait(condition: Callable[[], bool], what: str) -> None:
    try:
        wait_for(condition, STILL_SECONDS, what)
    except AssertionError as late:
        raise Wrong(str(late)) from None
