"""A watched folder: a file that has come to rest is imported and moved to done/, or to refused/ with what is wrong with it.

Nothing is remembered between runs but what the importer itself keeps: a file still in the folder is still to do. Whatever
is put there, the watcher goes on: what it cannot import it refuses, what it cannot move it tries again.
"""

import csv
import io
import logging
import os
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

from kafka.errors import KafkaError

from pipeline.settings import Settings
from producers.errors import AlreadyImportedError, CannotImportError, InputError, RetryLaterError
from producers.imports.cases import import_cases
from producers.imports.mapping import Mapping
from producers.imports.report import Report
from producers.imports.sink import Connect
from producers.imports.watched_folder import DONE, REFUSED, WatchedFolder, held
from producers.publish import publisher
from producers.sheets.names import escaped, printable
from producers.sheets.sheet_file import SheetFile, opened

log = logging.getLogger(__name__)
_UNFINISHED = (".tmp", ".part", ".partial", ".filepart", ".crdownload", ".swp", ".lock")
"""What copying programs call a file that is not there yet."""
_OFFICE = "~$"
"""How Office calls its notes beside a workbook that somebody has open."""
_SHEETS = (".csv", ".xlsx")


class Importer(Protocol):
    """`import_cases` with everything but the file settled."""

    def __call__(self, file: SheetFile, *, dry_run: bool) -> Report:
        """Raises what import_cases raises."""


class Rest(NamedTuple):
    """How a file looked, and since when (monotonic seconds) it has looked so."""

    size: int
    modified: int
    since: float


class Taken(NamedTuple):
    """What became of a file. `place`: where it was moved. `report`: None if it could not be read; then `said` says why.

    `left`: it lies where it was and is tried again.
    """

    name: str
    place: Path | None
    report: Report | None
    said: str = ""
    left: bool = False

    def lines(self) -> list[str]:
        """For the screen."""
        fate = "left where it is" if self.left else "refused"
        came = self.report.lines() if self.report else [f"{printable(self.name)}: {fate}, {self.said}"]
        return [*came, f"now in {self.place.parent.name}/{escaped(self.place.name)}"] if self.place else came


def importer(settings: Settings, mapping: Mapping, source: str, connect: Connect = publisher) -> Importer:
    """The importer of this source's files."""

    def run(file: SheetFile, *, dry_run: bool) -> Report:
        return import_cases(settings, source, file, dry_run=dry_run, connect=connect, kind=mapping.rows)

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

        Raises FolderUnusableError, NotPublishedError: then the files are where they were, and the next look takes them up again.
        """
        with held(self._folder, trays=not self._dry_run) as folder:
            for name in self._rested(folder):
                yield self._taken(folder, name)
                self._resting.pop(name, None)

    def _rested(self, folder: WatchedFolder) -> list[str]:
        now = self._clock()
        there = {name: seen for name, seen in folder.entries() if _is_meant(name, seen)}
        self._resting = {name: self._rest(name, seen, now) for name, seen in there.items()}
        ready = [name for name, rest in self._resting.items() if now - rest.since >= self._seconds]
        return sorted(ready, key=lambda name: (there[name].st_mtime_ns, name))

    def _rest(self, name: str, seen: os.stat_result, now: float) -> Rest:
        before = self._resting.get(name)
        if before is not None and (before.size, before.modified) == (seen.st_size, seen.st_mtime_ns):
            return before
        return Rest(seen.st_size, seen.st_mtime_ns, now)

    def _taken(self, folder: WatchedFolder, name: str) -> Taken:
        """No file is in the way of the others: what goes wrong with this one alone is said, and it is tried again."""
        try:
            return self._take(folder, name)
        except (RetryLaterError, KafkaError):
            raise  # the log's, so all files wait
        except InputError as error:
            said = str(error)
        except OSError as error:
            said = str(error.strerror or error)
        except Exception as error:
            log.exception("import_failed", extra={"file": printable(name)})
            said = f"an error of ours ({type(error).__name__}), please report it"
        return Taken(name, None, None, f"{said}; tried again", left=True)

    def _take(self, folder: WatchedFolder, name: str) -> Taken:
        status = folder.status(name)
        try:
            with opened(Path(name), folder.handle) as file:
                status = file.status
                report = self._read(file)
        except CannotImportError as error:
            return self._refuse(folder, name, status, str(error))
        return Taken(name, None, report) if self._dry_run else self._move(folder, name, status, report)

    def _read(self, file: SheetFile) -> Report:
        """A file that is on the log already (a crash before it was moved, or the same once more) is only judged again."""
        try:
            return self._import(file, dry_run=self._dry_run)
        except AlreadyImportedError:
            return self._import(file, dry_run=True)

    def _move(self, folder: WatchedFolder, name: str, status: os.stat_result, report: Report) -> Taken:
        listed = {"errors": report.errors, "remarks": report.remarks}
        lists = {kind: file for kind, file in listed.items() if file}
        place = folder.move(name, status, REFUSED if report.errors else DONE, lists)
        for file in lists.values():
            file.unlink()
        there = {kind: place.with_name(f"{place.name}.{kind}.csv") for kind in lists}
        report = report._replace(errors=there.get("errors"), remarks=there.get("remarks"))
        return Taken(name, place, report)

    def _refuse(self, folder: WatchedFolder, name: str, status: os.stat_result, why: str) -> Taken:
        place = None if self._dry_run else folder.move(name, status, REFUSED, {"errors": _reason(why)})
        return Taken(name, place, None, why)


def _reason(why: str) -> bytes:
    """The list of a file that is refused as a whole."""
    out = io.StringIO(newline="")
    csv.writer(out).writerows([["行号", "列", "问题"], ["", "", f"整个文件无法读取：{why}"]])
    return out.getvalue().encode("utf-8-sig", "backslashreplace")


def _is_meant(name: str, seen: os.stat_result) -> bool:
    """Whether somebody means it to be imported; folders have a use of their own, unless they are called like a sheet."""
    lowered = name.lower()
    if name.startswith((".", _OFFICE)) or lowered.endswith(_UNFINISHED):
        return False
    return not stat.S_ISDIR(seen.st_mode) or lowered.endswith(_SHEETS)
