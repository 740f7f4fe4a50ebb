"""One stack a folder: who runs it, and whether it is ready."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from deploy.errors import StackError


class Holder(NamedTuple):
    """The supervisor that runs. `ready`: all its processes answer."""

    pid: int
    ready: bool


class Lock:
    """A file lock: it ends with its process, however that ends."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "lock"

    @contextmanager
    def held(self) -> Iterator["Lock"]:
        """Hold it. StackError if another process does."""
        with self._file.open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                holder = self.holder()
                raise StackError(
                    f"it already runs here (pid {holder.pid if holder else 'unknown'}): see it with `hcp status`, "
                    "end it with `hcp down`"
                ) from None
            self._say("starting")
            yield self

    def tell_ready(self) -> None:
        """Say that all processes answer."""
        self._say("ready")

    def holder(self) -> Holder | None:
        """Who holds it; None if nobody does."""
        if not self._file.exists():
            return None
        with self._file.open("r+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                pid, _, state = file.read().partition(" ")
                return Holder(int(pid), state == "ready") if pid else None
        return None

    def _say(self, state: str) -> None:
        self._file.write_text(f"{os.getpid()} {state}")
