"""A watched folder: a file that has come to rest is imported and moved to done/, or to refused/ with what is wrong with it.

Nothing is remembered between runs but what the importer itself keeps: a file still in the folder is still to do.
"""

import csv
import os
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

from pipeline.settings import Settings
from producers.errors import AlreadyImportedError, CannotImportError
from producers.imports.cases import import_cases
from producers.imports.mapping import Mapping
from producers.imports.report import Report
from producers.imports.sink import Connect
from producers.publish import Publisher

DONE, REFUSED = "done", "refused"
_UNFINISHED = (".tmp", ".part", ".partial", ".filepart", ".crdownload", ".swp", ".lock")
"""What copying programs call a file that is not there yet."""
_OFFICE = "~$"
"""How Office calls its notes beside a workbook that somebody has open."""


class Importer(Protocol):
    """`import_cases` with everything but the file settled."""

    def __call__(self, path: Path, *, dry_run: bool) -> Report:
        """Raises what import_cases raises."""


class Rest(NamedTuple):
    """How a file looked, and since when (monotonic seconds) it has looked so."""

    size: int
    modified: int
    since: float


class Taken(NamedTuple):
    """What became of a file. `place`: where it was moved. `report`: None if it could not be read; then `said` says why."""

    name: str
    place: Path | None
    report: Report | None
    said: str = ""

    def lines(self) -> list[str]:
        """For the screen."""
        came = self.report.lines() if self.report else [f"{self.name}: refused, {self.said}"]
        return [*came, f"now in {self.place.parent.name}/{self.place.name}"] if self.place else came


def importer(settings: Settings, mapping: Mapping, source: str, connect: Connect = Publisher) -> Importer:
    """The importer of this source's files."""

    def run(path: Path, *, dry_run: bool) -> Report:
        return import_cases(settings, source, path, dry_run=dry_run, connect=connect, kind=mapping.rows)

    return run


class Watch:
    """Looks into a folder. `seconds`: how long a file must have stood still. `clock`: monotonic, in seconds."""

    def __init__(
        self,
        folder: Path,
        importer: Importer,
        seconds: float,
        *,
        dry_run: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder, self._import, self._seconds = folder, importer, seconds
        self._dry_run, self._clock = dry_run, clock
        self._resting: dict[str, Rest] = {}

    def look(self) -> Iterator[Taken]:
        """Import what has come to rest, the oldest first; each is moved before the next is begun. Blocks.

        Raises NotPublishedError, DamagedError: then the file is where it was, and the next look takes it up again.
        """
        for path in self._rested():
            yield self._take(path)
            self._resting.pop(path.name, None)

    def _rested(self) -> list[Path]:
        now, there = self._clock(), dict(self._files())
        self._resting = {name: self._rest(name, seen, now) for name, seen in there.items()}
        ready = [name for name, rest in self._resting.items() if now - rest.since >= self._seconds]
        return [
            self._folder / name for name in sorted(ready, key=lambda name: (there[name].st_mtime_ns, name))
        ]

    def _files(self) -> Iterator[tuple[str, os.stat_result]]:
        for entry in os.scandir(self._folder):
            if not _is_unfinished(entry.name) and entry.is_file(follow_symlinks=False):
                yield entry.name, entry.stat(follow_symlinks=False)

    def _rest(self, name: str, seen: os.stat_result, now: float) -> Rest:
        before = self._resting.get(name)
        if before is not None and (before.size, before.modified) == (seen.st_size, seen.st_mtime_ns):
            return before
        return Rest(seen.st_size, seen.st_mtime_ns, now)

    def _take(self, path: Path) -> Taken:
        try:
            report = self._read(path)
        except CannotImportError as error:
            return Taken(path.name, self._refuse(path, str(error)), None, str(error))
        return Taken(path.name, None, report) if self._dry_run else self._move(path, report)

    def _read(self, path: Path) -> Report:
        """A file that is on the log already (a crash before it was moved, or the same once more) is only judged again."""
        try:
            return self._import(path, dry_run=self._dry_run)
        except AlreadyImportedError:
            return self._import(path, dry_run=True)

    def _move(self, path: Path, report: Report) -> Taken:
        place = self._place(path, REFUSED if report.errors else DONE)
        lists = (("errors", report.errors), ("remarks", report.remarks))
        there = {
            name: _put(listed, place.with_name(f"{place.name}.{name}.csv"), path)
            for name, listed in lists
            if listed
        }
        path.replace(place)
        return Taken(
            path.name, place, report._replace(errors=there.get("errors"), remarks=there.get("remarks"))
        )

    def _refuse(self, path: Path, why: str) -> Path | None:
        if self._dry_run:
            return None
        place = self._place(path, REFUSED)
        reason = place.with_name(f"{place.name}.errors.csv")
        with reason.open("w", encoding="utf-8-sig", newline="") as out:
            csv.writer(out).writerows([["行号", "列", "问题"], ["", "", f"整个文件无法读取：{why}"]])
        path.replace(place)
        return place

    def _place(self, path: Path, folder: str) -> Path:
        """A place in there that is free: the same name a second time becomes `name-2`."""
        there = self._folder / folder
        there.mkdir(exist_ok=True)
        place, copy = there / path.name, 1
        while place.exists():
            copy += 1
            place = there / f"{path.stem}-{copy}{path.suffix}"
        return place


def _is_unfinished(name: str) -> bool:
    return name.startswith((".", _OFFICE)) or name.lower().endswith(_UNFINISHED)


def _put(listed: Path, place: Path, like: Path) -> Path:
    """Who could read the file may read what is wrong with it. Returns where it lies."""
    shutil.move(listed, place)
    place.chmod(stat.S_IMODE(like.stat().st_mode))
    return place
