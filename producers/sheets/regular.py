"""Opening a file that somebody else put there: the file itself, never what a link leads to, and nothing that blocks."""

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

from producers.errors import CannotImportError
from producers.sheets.names import printable

_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def open_regular(path: Path, folder: int | None = None) -> BinaryIO:
    """The file at this path, which may be relative to an open `folder`. Does not block.

    Raises CannotImportError if it is a link or anything else that is no file, FileNotFoundError if nothing is there.
    """
    try:
        check_regular(path.name, os.stat(path, dir_fd=folder, follow_symlinks=False))
        file = os.fdopen(os.open(path, _FLAGS, dir_fd=folder), "rb")
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _unreadable(path.name, error) from None
    try:
        check_regular(path.name, os.fstat(file.fileno()))  # another may be there since the first look
    except CannotImportError:
        file.close()
        raise
    return file


def check_regular(name: str, status: os.stat_result) -> None:
    """Raises CannotImportError if this is no regular file."""
    if stat.S_ISLNK(status.st_mode):
        raise _link(name)
    if not stat.S_ISREG(status.st_mode):
        raise CannotImportError(
            f"{printable(name)} is no file but a {_kind(status.st_mode)}: put the file itself there (这不是文件，请放入文件本身)"
        )


def _kind(mode: int) -> str:
    kinds = {stat.S_IFDIR: "folder", stat.S_IFIFO: "pipe", stat.S_IFSOCK: "socket"}
    return kinds.get(stat.S_IFMT(mode), "device")


def _link(name: str) -> CannotImportError:
    return CannotImportError(
        f"{printable(name)} is a link, and links are not followed: put the file itself there "
        "(这是链接或快捷方式，请放入文件本身)"
    )


def _unreadable(name: str, error: OSError) -> CannotImportError:
    if error.errno == errno.ELOOP:
        return _link(name)
    return CannotImportError(
        f"{printable(name)} cannot be read ({error.strerror}): look at its permissions (无法读取，请检查文件权限)"
    )
