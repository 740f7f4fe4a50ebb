"""One spool, one process: a file lock, which ends with its process, however that ends."""

import fcntl
import os
import sys
from pathlib import Path

from producers.spool.errors import SpoolTaken


class Lock:
    """Holds the folder until it is released. Raises SpoolTaken, which says who has it."""

    def __init__(self, folder: Path) -> None:
        self._file = (folder / "lock").open("a+")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = self._holder()
            self._file.close()
            raise SpoolTaken(
                f"the spool {folder} is in use by {holder}: end that process, or give this one a folder of its own"
            ) from None
        self._file.truncate(0)
        self._file.write(f"process {os.getpid()} ({Path(sys.argv[0]).name})")
        self._file.flush()

    def release(self) -> None:
        """Let others have it."""
        self._file.close()

    def _holder(self) -> str:
        self._file.seek(0)
        return self._file.read(200) or "another process"
