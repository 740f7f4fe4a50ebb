"""Files of ours: whole or not at all, also when the power goes, and for our eyes only."""

import os
from pathlib import Path


def write(file: Path, data: bytes) -> None:
    """Write it with mode 0600, in one step as others see it. Blocks until the disk has it. One writer a file."""
    draft = file.with_name(file.name + ".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        out.write(data)
        out.flush()
        os.fsync(out.fileno())
    draft.replace(file)


def make_folder(folder: Path) -> None:
    """Make it, mode 0700, if it is not there; as root for the owner of the folder that it lies in."""
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        give(folder, folder.parent)


def give(file: Path, folder: Path) -> None:
    """As root: to the owner of this folder, or the processes that are not root could not read it. Else nothing."""
    if os.geteuid() == 0:
        owner = folder.stat()
        os.chown(file, owner.st_uid, owner.st_gid)
