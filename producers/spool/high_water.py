"""The last row that anybody was told is on disk, beside the database: so that a database which lost rows cannot hide it.

Written without waiting for the disk: after a kill it is exact, after a power cut it may be too low, never too high.
"""

import os
from pathlib import Path

FILE = "acknowledged"
_BYTES = 8


class HighWater:
    """The open file. Blocks for microseconds."""

    def __init__(self, folder: Path) -> None:
        self._file = os.open(folder / FILE, os.O_RDWR | os.O_CREAT, 0o600)
        if os.fstat(self._file).st_size < _BYTES:
            self.set(0)

    def get(self) -> int:
        """The row; 0 if there was none."""
        return int.from_bytes(os.pread(self._file, _BYTES, 0))

    def set(self, seq: int) -> None:
        """From now on it is this row."""
        os.pwrite(self._file, seq.to_bytes(_BYTES), 0)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)
