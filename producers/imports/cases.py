"""Importing a file of cases or reviews: each row an event on the log, once or more; those that are none are in a list."""

from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from pipeline.seal_keys import Seal
from pipeline.settings import Settings
from producers import state
from producers.errors import AlreadyImportedError, CannotImportError, Unmapped
from producers.imports import standing
from producers.imports.ahead import look_ahead
from producers.imports.identity import sealer_of
from producers.imports.intake import Intake, Lists, lists
from producers.imports.kinds import Event, RowKind
from producers.imports.known import load
from producers.imports.mapping import Mapping
from producers.imports.report import Report
from producers.imports.shift import Shift, said, to_now
from producers.imports.sink import Connect, Sink
from producers.imports.standing import Standing
from producers.publish import publisher
from producers.sheets.names import fitting
from producers.sheets.rows import count, rows
from producers.sheets.sheet_file import SheetFile, opened

ROWS_A_FLUSH = 500
"""After so many rows their acknowledgements are waited for; an interruption repeats fewer than these."""

_LIST_NAME = 200
"""Bytes of a list's name before its endings; a folder takes 255 in all."""

Progress = Callable[[int, int | None], None]
"""Told how many rows are done, and of how many (None: unknown)."""


def _silent(done: int, total: int | None) -> None:
    """Nobody watches."""


class _Task(NamedTuple):
    file: SheetFile
    mapping: Mapping
    place: Path
    standing: Standing
    total: int
    progress: Progress


def import_cases(
    settings: Settings,
    source: str,
    sheet: Path | SheetFile,
    *,
    shift: Shift = None,
    dry_run: bool = False,
    again: bool = False,
    progress: Progress = _silent,
    connect: Connect = publisher,
    kind: RowKind = RowKind.CASE,
) -> Report:
    """Publish the rows of a sheet; `source` names its mapping. Blocks. What an earlier run got acknowledged is not sent.

    `dry_run` reads and judges every row, and sends and keeps nothing but the lists, which lie beside the state of imports.
    Raises CannotImportError, AlreadyImportedError, DamagedError, NotPublishedError; FileNotFoundError if nothing is there.
    """
    mapping, folder = _load(source, kind), folder_of(settings)
    with opened(sheet) if isinstance(sheet, Path) else nullcontext(sheet) as file:
        total = count(file)
        _check_columns(mapping, file)
        place = standing.place(folder, mapping.name, file.digest)
        current = _begin(mapping, file, state.read(place, Standing), shift, again=again or dry_run)
        task = _Task(file, mapping, place, current, total, progress)
        return _import(settings, task, folder, connect, dry_run=dry_run)


def _import(settings: Settings, task: _Task, folder: Path, connect: Connect, *, dry_run: bool) -> Report:
    with lists(folder, fitting(Path(task.file.name).stem, _LIST_NAME), task.mapping) as listed:
        intake = _intake(task, listed, settings.seal)
        if dry_run:
            _read_through(task, intake)
            return _report(task, intake, listed, 0, dry_run=True)
        with connect(settings) as sink:
            published = _publish(task, intake, sink)
        return _report(task, intake, listed, published, dry_run=False)


def _load(source: str, kind: RowKind) -> Mapping:
    mapping = load(source)
    if mapping.rows is not kind:
        raise CannotImportError(
            f"the rows of {mapping.name} are {mapping.rows}s: use `hcp import {mapping.rows}s`"
        )
    return mapping


def _check_columns(mapping: Mapping, file: SheetFile) -> None:
    _, first = next(rows(file))  # `count` has seen one
    mapping.check_columns(first)


def _intake(task: _Task, listed: Lists, seal: Seal) -> Intake:
    return Intake(
        task.mapping,
        listed,
        task.standing.received_at,
        shift=task.standing.shift,
        ahead=look_ahead(task.mapping, rows(task.file)),
        sealer=sealer_of(seal) if task.mapping.personal else None,
    )


def _report(task: _Task, intake: Intake, listed: Lists, published: int, *, dry_run: bool) -> Report:
    return Report(
        name=task.file.name,
        counts=intake.counts,
        published=published,
        earlier=0 if dry_run else intake.counts.mapped - published,
        summary=intake.inspection.summary(),
        errors=listed.refused.placed,
        remarks=listed.remarks.placed,
        shift=task.standing.shift,
        dry_run=dry_run,
    )


def folder_of(settings: Settings) -> Path:
    folder = settings.stack.data_dir / "import"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def _begin(
    mapping: Mapping, file: SheetFile, earlier: Standing | None, shift: Shift, *, again: bool
) -> Standing:
    """Where to go on: from the start, from the last acknowledged row, or from the start once more."""
    now = datetime.now(UTC)
    if earlier is None:
        moved = to_now(_occurred(mapping, file), now) if shift == "auto" else shift
        return Standing(file.name, now, int(moved.total_seconds()) if moved else 0)
    if shift not in {None, "auto", earlier.shift}:
        raise CannotImportError(
            f"{file.name} was imported with its times {said(earlier.shift)}: with others every row would be there twice"
        )
    if again:
        return Standing(file.name, now, earlier.shift_seconds)
    if earlier.finished:
        raise AlreadyImportedError(f"{file.name} is already imported; --again sends it again")
    return earlier


def _occurred(mapping: Mapping, file: SheetFile) -> Iterator[datetime]:
    for _, row in rows(file):
        with suppress(Unmapped):  # reading the row says so again
            yield mapping.occurred_at(row)


def _events(task: _Task, intake: Intake) -> Iterator[tuple[int, Event | None]]:
    """Each row's place in the file, from 1, and its event; None if there is nothing to send."""
    numbered = task.mapping.numbered(rows(task.file))
    for place, (number, row, ordinal) in enumerate(numbered, start=1):
        yield place, intake.take(number, row, ordinal)


def _read_through(task: _Task, intake: Intake) -> None:
    place = 0
    for place, _ in _events(task, intake):
        if place % ROWS_A_FLUSH == 0:
            task.progress(place, task.total)
    task.progress(place, place)


def _publish(task: _Task, intake: Intake, sink: Sink) -> int:
    """Send what is not acknowledged yet; returns how many. The shift is on disk before the first event is under way."""
    place = published = 0
    state.write(task.place, task.standing)
    before = task.standing.rows
    for place, event in _events(task, intake):
        if place <= before:
            continue
        if event is not None:
            sink.send(event, f"/import/{task.mapping.name}")
            published += 1
        if place % ROWS_A_FLUSH == 0:
            _keep(task, sink, place)
    _keep(task, sink, place, finished=True)
    return published


def _keep(task: _Task, sink: Sink, place: int, *, finished: bool = False) -> None:
    sink.flush()
    task.standing.rows, task.standing.finished = place, finished
    state.write(task.place, task.standing)
    task.progress(place, place if finished else task.total)
