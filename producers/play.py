"""`hcp play`: a simulated week of the county, or real cases with simulated citizens, into the log; goes on where it stopped."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from pipeline.sealing import Sealer
from pipeline.settings import Settings
from producers import state
from producers.errors import AlreadyImportedError, CannotPlayError
from producers.imports.cases import import_cases
from producers.imports.shift import said
from producers.pace import Pace
from producers.publish import Publisher, publisher
from producers.simulation.arrival import Arrival
from producers.simulation.citizens import Seal, reviews
from producers.simulation.week import week
from schemas.events import CaseEvent

WEEK = timedelta(days=7)
RECORDS_A_FLUSH = 200
REVIEWS_FIRST = 0.1
"""Of the real cases: how many of them come after their reviews."""
SIMULATED = "a simulated county on the real catalogue; no case, no citizen in it is real"
REAL = "real cases; their citizens are simulated, for no such reviews are public"

Say = Callable[[int, int, str], None]
"""Told how many records or rows are done, of how many, and a note for people."""


class Played(msgspec.Struct):
    """How far the county has been played: what `hcp play` goes on from."""

    seed: int
    began: datetime
    until: datetime


class Input(NamedTuple):
    """Real cases: a file, and the mapping that reads it."""

    file: Path
    source: str


def play_week(settings: Settings, seed: int, pace: Pace, say: Say) -> int:
    """Play the seven days that end now; of a county that was played before, the time since. Returns the records sent.

    Blocks. Raises NotPublishedError, CannotPlayError.
    """
    now = datetime.now(UTC)
    file = settings.stack.data_dir / "played.json"
    played = state.read(file, Played) or Played(seed, now - WEEK, now - WEEK)
    if played.seed != seed:
        raise CannotPlayError(
            f"the county of seed {played.seed} was played here; another one's cases would stand beside it: "
            "use that seed, or another HCP_STACK__DATA_DIR, or begin anew with `make clean`"
        )
    arrivals = week(seed, played.began, played.until, now, _seal(settings))
    say(0, len(arrivals), SIMULATED)
    with publisher(settings) as log:
        for done, arrival in enumerate(arrivals, start=1):
            pace.wait()
            _send(log, arrival)
            if done % RECORDS_A_FLUSH == 0:
                log.flush()
                state.write(file, replace(played, until=arrival.at))
                say(done, len(arrivals), SIMULATED)
    state.write(file, replace(played, until=now))
    say(len(arrivals), len(arrivals), SIMULATED)
    return len(arrivals)


def play_cases(settings: Settings, given: Input, seed: int, pace: Pace, say: Say) -> int:
    """Import real cases, moved to the present, each with the reviews of simulated citizens. Returns the cases sent.

    A file that was played before is not played again. Blocks. Raises CannotImportError, NotPublishedError.
    """

    @contextmanager
    def connect(settings: Settings) -> Iterator[WithCitizens]:
        with publisher(settings) as log:
            yield WithCitizens(log, seed, _seal(settings), datetime.now(UTC), pace)

    def progress(done: int, total: int | None) -> None:
        say(done, total or done, REAL)

    try:
        report = import_cases(
            settings, given.source, given.file, shift="auto", progress=progress, connect=connect
        )
    except AlreadyImportedError as error:
        say(1, 1, str(error))
        return 0
    say(report.rows, report.rows, f"{REAL}; times {said(report.shift)}")
    return report.published


class WithCitizens:
    """A sink of cases that sends each with its simulated reviews, as far as they have been given by `until`."""

    def __init__(self, log: Publisher, seed: int, seal: Seal, until: datetime, pace: Pace) -> None:
        self._log, self._seed, self._seal, self._until, self._pace = log, seed, seal, until, pace

    def send(self, event: CaseEvent, source: str) -> None:
        """Send a case and its reviews; now and then the reviews first."""
        rng = Random(f"citizens {self._seed} {event.case_no} {event.service_no}")
        case = Arrival(event.received_at or self._until, event, source)
        given = [arrival for arrival in reviews(event, rng, self._seal) if arrival.at <= self._until]
        for arrival in [*given, case] if rng.random() < REVIEWS_FIRST else [case, *given]:
            self._pace.wait()
            _send(self._log, arrival)

    def flush(self) -> None:
        """Wait until all are acknowledged."""
        self._log.flush()


def _send(log: Publisher, arrival: Arrival) -> None:
    log.send(replace(arrival.event, received_at=arrival.at), arrival.source)


def _seal(settings: Settings) -> Seal:
    """By the month in which the citizen reviewed: it is when the simulated county receives it, but for seconds."""
    sealer = Sealer(settings.seal)

    def seal(event_id: str, name: str, phone: str, at: datetime) -> str:
        return sealer.seal_reviewer(event_id, name, phone, at=at)

    return seal
