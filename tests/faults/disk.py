"""Small disks that can be filled: of memory, seen by this process and its children only."""

import ctypes
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

CLONE_NEWNS = 0x00020000


def own_mounts() -> bool:
    """From now on what this thread and its children mount is seen by them only; false if that is not allowed."""
    return ctypes.CDLL(None).unshare(CLONE_NEWNS) == 0 and _done("mount", "--make-rprivate", "/")


def small_disk(folder: Path, size: int) -> bool:
    """Mount a disk of so many bytes there; false if that is not allowed."""
    folder.mkdir(parents=True, mode=0o700)
    return _done("mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", folder.name, str(folder))


def fill(ballast: Path) -> Callable[[], None]:
    """Fill its disk to the last block, while others go on writing; returns what gives the room back."""
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(1 << 20))
    return ballast.unlink


def _done(*words: str) -> bool:
    return subprocess.run(words, check=False, capture_output=True).returncode == 0
