"""Erased identities: who gave a review in this folder is nobody any more, whatever still lies sealed elsewhere.

    <SHA-256 of the event id>.json   which event, when, by whom and why its identity was erased

The folder stands beside the months' keys (`pipeline.month_keys`), outside the database and the log: a replay reads it, and a
database backup that is restored brings nobody back. An event id names no person.
"""

import time
from contextlib import suppress
from datetime import datetime
from hashlib import sha256
from pathlib import Path

import msgspec

from pipeline import whole_file
from pipeline.month_keys import KeyRingError

_ENDING = ".json"
_SETTLED_NS = 1_000_000_000
"""A folder that changed so lately may change again within the same tick of its clock: it is read again."""


class Erasure(msgspec.Struct, frozen=True):
    """What a person had erased: the identity of the reviews with this event id. `at` is aware."""

    event_id: str
    at: datetime
    by: str
    why: str


class Erasures:
    """Those of a folder, which is made with the first one. May be shared by threads. Raises KeyRingError.

    What the folder holds is read again when it has changed: an erasure counts at once in every process.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._changed = -1
        self._files: dict[str, str] = {}
        self._known: frozenset[str] = frozenset()

    @property
    def known(self) -> frozenset[str]:
        """The event ids of all there are now; the last that could be read, if the folder cannot. Blocks for microseconds."""
        with suppress(KeyRingError):
            self._look()
        return self._known

    def now(self) -> frozenset[str]:
        """The same, where an old answer will not do: raises KeyRingError if the folder cannot be read."""
        self._look()
        return self._known

    def has(self, event_id: str) -> bool:
        """Whether the identity of this event was erased."""
        return event_id in self.now()

    def add(self, erasure: Erasure) -> None:
        """From now on it is erased, for good; the first one of an event stays. Blocks until the disk has it."""
        if self.has(erasure.event_id):
            return
        whole_file.make_folder(self._folder)
        file = self._folder / _name(erasure.event_id)
        whole_file.write(file, msgspec.json.encode(erasure))
        whole_file.give(file, self._folder)

    def _look(self) -> None:
        try:
            changed = self._folder.stat().st_mtime_ns
            if changed != self._changed:
                self._read()
                self._changed = changed if time.time_ns() - changed > _SETTLED_NS else -1
        except FileNotFoundError:
            pass
        except KeyRingError:
            raise
        except OSError as error:
            where = self._folder.resolve()
            raise KeyRingError(f"the folder of erasures {where} cannot be read: {error.strerror}") from error

    def _read(self) -> None:
        """New files only: none ever changes."""
        for file in self._folder.iterdir():
            if file.suffix == _ENDING and file.name not in self._files:
                self._files[file.name] = _event_id(file)
        self._known = frozenset(list(self._files.values()))


def _name(event_id: str) -> str:
    return sha256(event_id.encode("utf-8", "surrogatepass")).hexdigest() + _ENDING


def _event_id(file: Path) -> str:
    try:
        return msgspec.json.decode(file.read_bytes(), type=Erasure).event_id
    except msgspec.MsgspecError:
        raise KeyRingError(f"{file} is damaged: restore it from a copy of the folder") from None
