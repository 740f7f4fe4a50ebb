"""How far the import of one file has come: what an interrupted import goes on from."""

from datetime import datetime, timedelta
from pathlib import Path

from msgspec import Struct


class Standing(Struct):
    """`rows`: the first so many are read, and all events from them acknowledged. `received_at`: when the importer first
    held them. The shift holds for the whole file and for every repetition, or the same row would be two events.
    """

    file: str
    received_at: datetime
    shift_seconds: int
    rows: int = 0
    finished: bool = False

    @property
    def shift(self) -> timedelta:
        """By what the file's times are moved."""
        return timedelta(seconds=self.shift_seconds)


def place(folder: Path, source: str, digest: str) -> Path:
    """Where the standing of this very content lies, whatever its file is called. `digest`: its SHA-256, in hex."""
    return folder / f"{source}-{digest[:16]}.json"
