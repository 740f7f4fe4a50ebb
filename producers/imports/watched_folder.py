"""A watched folder with its done/ and refused/, held open: what their names come to lead to makes no difference."""

import io
import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from producers.errors import InputError, RetryLaterError
from producers.sheets.names import escaped, fitting, printable

DONE, REFUSED = "done", "refused"
_LISTS = (".errors.csv", ".remarks.csv")
_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class FolderUnusableError(RetryLaterError):
    """The folder, its done/ or its refused/ cannot be used as it is now."""


class FileChangedError(InputError):
    """Another file has the name now, or more is in it: it was not moved."""


class Tray(NamedTuple):
    """done/ or refused/, open."""

    path: Path
    handle: int

    def free(self, name: str) -> str:
        """The name, or its next copy (`name-2.csv`), such that neither it nor a list beside it is there; cut if it is too long."""
        room, copy = os.fpathconf(self.handle, "PC_NAME_MAX") - max(map(len, _LISTS)), 1
        while any(self._has(fitting(name, room, copy) + end) for end in ("", *_LISTS)):
            copy += 1
        return fitting(name, room, copy)

    def write(self, name: str, content: bytes | Path, source: os.stat_result) -> None:
        """A list in there; a file of ours that holds it stays. Nobody can read it who cannot read the `source`."""
        out = os.fdopen(os.open(name, _CREATE, 0o600, dir_fd=self.handle), "wb")
        try:
            with out, io.BytesIO(content) if isinstance(content, bytes) else content.open("rb") as listed:
                shutil.copyfileobj(listed, out)
                _share(out.fileno(), source)
        except BaseException:
            self.remove(name)
            raise

    def remove(self, name: str) -> None:
        """Take a list away, if it is there."""
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self.handle)

    def _has(self, name: str) -> bool:
        try:
            os.stat(name, dir_fd=self.handle, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return True


class WatchedFolder:
    """Opened by `held`."""

    def __init__(self, handle: int, trays: Mapping[str, Tray]) -> None:
        self.handle, self._trays = handle, trays

    def entries(self) -> Iterator[tuple[str, os.stat_result]]:
        """What lies in it but its trays: names and what the names themselves are; what goes meanwhile is left out."""
        with os.scandir(self.handle) as found:
            for entry in found:
                with suppress(FileNotFoundError):
                    if entry.name not in {DONE, REFUSED}:
                        yield entry.name, entry.stat(follow_symlinks=False)

    def status(self, name: str) -> os.stat_result:
        """Of the name itself, be it a link. Raises FileNotFoundError."""
        return os.stat(name, dir_fd=self.handle, follow_symlinks=False)

    def move(self, name: str, status: os.stat_result, tray: str, lists: Mapping[str, bytes | Path]) -> Path:
        """Move it to this tray with its lists, by kind. `status`: what was read. Returns where it lies now.

        Raises FileChangedError if what has the name now is not what was read: then nothing is moved.
        """
        there = self._trays[tray]
        place = there.free(name)
        with ExitStack() as undo:
            for kind, content in lists.items():
                there.write(listed := f"{place}.{kind}.csv", content, status)
                undo.callback(there.remove, listed)
            self._check_unchanged(name, status)
            os.rename(name, place, src_dir_fd=self.handle, dst_dir_fd=there.handle)
            undo.pop_all()
        return there.path / place

    def _check_unchanged(self, name: str, status: os.stat_result) -> None:
        try:
            unchanged = _identity(self.status(name)) == _identity(status)
        except FileNotFoundError:
            unchanged = False
        if not unchanged:
            raise FileChangedError(f"{printable(name)} was changed or replaced while it was read")


@contextmanager
def held(path: Path, *, trays: bool) -> Iterator[WatchedFolder]:
    """The folder, with its trays if they are needed; they are made if they are not there.

    Raises FolderUnusableError, also if a tray is a link: what is moved there would leave the folder.
    """
    with ExitStack() as stack:
        handle = _directory(stack, path)
        names = (DONE, REFUSED) if trays else ()
        yield WatchedFolder(
            handle, {name: Tray(path / name, _tray(stack, path / name, handle)) for name in names}
        )


def _directory(stack: ExitStack, path: Path) -> int:
    try:
        handle = os.open(path, _OPEN)
    except OSError as error:
        raise FolderUnusableError(f"{escaped(str(path))} cannot be opened: {error.strerror}") from None
    stack.callback(os.close, handle)
    return handle


def _tray(stack: ExitStack, path: Path, folder: int) -> int:
    try:
        with suppress(FileExistsError):
            os.mkdir(path.name, dir_fd=folder)
        handle = os.open(path.name, _OPEN | os.O_NOFOLLOW, dir_fd=folder)
    except OSError as error:
        raise FolderUnusableError(
            f"{escaped(str(path))} must be a folder, and no link to one ({error.strerror}): rename it (请改名或移走)"
        ) from None
    stack.callback(os.close, handle)
    return handle


def _identity(status: os.stat_result) -> tuple[int, ...]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _share(handle: int, source: os.stat_result) -> None:
    """Who can read the source can read the list: its mode, and its group as far as the system lets us; else without the group."""
    with suppress(PermissionError):
        os.fchown(handle, -1, source.st_gid)
    ours = os.fstat(handle).st_gid == source.st_gid
    os.fchmod(handle, stat.S_IMODE(source.st_mode) & (0o664 if ours else 0o604))
