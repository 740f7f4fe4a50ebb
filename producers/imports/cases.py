"""Importing a file of cases: each row an event on the log, once or more, and those that are none in a file of errors."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple, Protocol

from pipeline.settings import Kafka, Settings
from producers import state
from producers.errors import AlreadyImportedError, CannotImportError, Unmapped
from producers.imports import standing
from producers.imports.mapping import Mapping, load
from producers.imports.refusals import Refusals
from producers.imports.rows import count, rows
from producers.imports.shift import Shift, said, to_now
from producers.imports.standing import Standing
from producers.publish import Publisher
from schemas.events import CaseEvent

ROWS_A_FLUSH = 500
"""After so many rows their acknowledgements are waited for; an interruption repeats fewer than these."""

Progress = Callable[[int, int | None], None]
"""Told how many rows are done, and of how many (None: unknown)."""


class Sink(Protocol):
    """What the events go to: a Publisher."""

    def send(self, event: CaseEvent, source: str) -> None:
        """Take one event."""

    def flush(self) -> None:
        """Wait until all are safe."""


def _silent(done: int, total: int | None) -> None:
    """Nobody watches."""


Connect = Callable[[Kafka], AbstractContextManager[Sink]]


class Report(NamedTuple):
    """What came of it. `rows`: in the file; `published`: by this run; `unmapped` ones are in the file `errors`."""

    rows: int
    published: int
    unmapped: int
    errors: Path | None
    shift: timedelta


class _Task(NamedTuple):
    path: Path
    mapping: Mapping
    place: Path
    standing: Standing
    total: int | None
    progress: Progress


def import_cases(
    settings: Settings,
    source: str,
    path: Path,
    *,
    shift: Shift = None,
    dry_run: bool = False,
    again: bool = False,
    progress: Progress = _silent,
    connect: Connect = Publisher,
) -> Report:
    """Publish the cases of a file; `source` names its mapping. Blocks. What an earlier run got acknowledged is not sent.

    `dry_run` reads and judges every row, and sends and keeps nothing but the error file. Raises CannotImportError,
    AlreadyImportedError, DamagedError, NotPublishedError.
    """
    mapping = load(source)
    total = count(path)
    _check_columns(mapping, path)
    folder = _folder(settings)
    place = standing.place(folder, mapping.name, path)
    current = _begin(mapping, path, state.read(place, Standing), shift, again=again or dry_run)
    task = _Task(path, mapping, place, current, total, progress)
    with Refusals(folder / f"{path.stem}.errors.csv") as refusals:
        if dry_run:
            return _report(task, refusals, *_read_through(task, refusals))
        with connect(settings.kafka) as sink:
            return _report(task, refusals, *_publish(task, refusals, sink))


def _check_columns(mapping: Mapping, path: Path) -> None:
    _, first = next(rows(path))  # `count` has seen one
    mapping.check_columns(first)


def _folder(settings: Settings) -> Path:
    folder = settings.stack.data_dir / "import"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def _begin(mapping: Mapping, path: Path, earlier: Standing | None, shift: Shift, *, again: bool) -> Standing:
    """Where to go on: from the start, from the last acknowledged row, or from the start once more."""
    now = datetime.now(UTC)
    if earlier is None:
        moved = to_now(_served(mapping, path), now) if shift == "auto" else shift
        return Standing(path.name, now, int(moved.total_seconds()) if moved else 0)
    if shift not in {None, "auto", earlier.shift}:
        raise CannotImportError(
            f"{path.name} was imported with its times {said(earlier.shift)}: with others every row would be there twice"
        )
    if again:
        return Standing(path.name, now, earlier.shift_seconds)
    if earlier.finished:
        raise AlreadyImportedError(f"{path.name} is already imported; --again sends it again")
    return earlier


def _served(mapping: Mapping, path: Path) -> Iterator[datetime]:
    for _, row in rows(path):
        with suppress(Unmapped):  # reading the row says so again
            yield mapping.served_at(row)


def _events(task: _Task, refusals: Refusals) -> Iterator[tuple[int, CaseEvent | None]]:
    """Each row's place in the file, from 1, and its event; None if it is refused."""
    numbered = task.mapping.numbered(rows(task.path))
    for place, (number, row, ordinal) in enumerate(numbered, start=1):
        try:
            event = task.mapping.read(row, ordinal, task.standing.received_at, task.standing.shift)
        except Unmapped as unmapped:
            refusals.add(number, unmapped, row)
            yield place, None
        else:
            yield place, event


def _read_through(task: _Task, refusals: Refusals) -> tuple[int, int]:
    place = 0
    for place, _ in _events(task, refusals):
        if place % ROWS_A_FLUSH == 0:
            task.progress(place, task.total)
    task.progress(place, place)
    return place, 0


def _publish(task: _Task, refusals: Refusals, sink: Sink) -> tuple[int, int]:
    """Send what is not acknowledged yet. The shift is on disk before the first event is under way."""
    place = published = 0
    state.write(task.place, task.standing)
    before = task.standing.rows
    for place, event in _events(task, refusals):
        if place <= before:
            continue
        if event is not None:
            sink.send(event, f"/import/{task.mapping.name}")
            published += 1
        if place % ROWS_A_FLUSH == 0:
            _keep(task, sink, place)
    _keep(task, sink, place, finished=True)
    return place, published


def _keep(task: _Task, sink: Sink, place: int, *, finished: bool = False) -> None:
    sink.flush()
    task.standing.rows, task.standing.finished = place, finished
    state.write(task.place, task.standing)
    task.progress(place, place if finished else task.total)


def _report(task: _Task, refusals: Refusals, read: int, published: int) -> Report:
    errors = refusals.file if refusals.rows else None
    return Report(read, published, refusals.rows, errors, task.standing.shift)
