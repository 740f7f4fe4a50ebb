"""The data folder, for our eyes only."""

import os
from pathlib import Path

from deploy.errors import StackError
from pipeline import whole_file

FREE_BYTES = 512 * 1024 * 1024
"""Kafka's and PostgreSQL's first files take 120 MB, the jars 45; below this a start is the beginning of an outage."""


def make_folder(folder: Path) -> None:
    """Make it with mode 0700, and see that it can be written and has room. Raises StackError."""
    elsewhere = "set HCP_STACK__DATA_DIR to a folder"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        whole_file.write(folder / "probe", b"")
        (folder / "probe").unlink()
    except OSError as error:
        raise StackError(
            f"cannot write to {folder.resolve()} ({error.strerror}): make it writable, or {elsewhere} that is"
        ) from None
    there = os.statvfs(folder)
    if (free := there.f_bavail * there.f_frsize) < FREE_BYTES:
        raise StackError(
            f"{folder.resolve()} has {free // 2**20} MB left and the stack needs {FREE_BYTES // 2**20}: "
            f"make room, or {elsewhere} on another disk"
        )
