"""Month keys: each seals the identities of one month (UTC) and is destroyed when their retention is over.

They are files of one folder, outside the database, so that a database backup that is restored brings no destroyed key back. Whoever
needs a month first makes its key, at random: a derived key could be derived again. All processes and hosts that seal share the
folder; it needs a file system with hard links.

    m202611.key         32 random bytes in base64
    m202611-*.key       further keys of the month, which only open: of a folder that was restored or joined with another
    m202611.destroyed   JSON: when, by whom and why the month's keys were destroyed; none is ever made again
"""

import base64
import binascii
import hashlib
import os
import re
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from pipeline import weak_keys, whole_file

RECHECK_SECONDS = 30.0
"""How long a process goes on with what it knows of a month: so long a destroyed key still opens in it."""
_MONTH = "2[0-9]{3}(?:0[1-9]|1[0-2])"
KEY_ID = re.compile(f"m({_MONTH})[0-9a-f]{{8}}")
"""Month, and a fingerprint of the key: two hosts that do not share the folder make two keys, which must not be confused."""
_KEY_FILE = re.compile(rf"m({_MONTH})(?:-[^.]+)?\.key")
_MARKER_FILE = re.compile(rf"m({_MONTH})\.destroyed")
_FIRST_YEAR, _LAST_YEAR = 2000, 2999

Month = int
"""Such as 202611."""


class KeyRingError(OSError):
    """The folder of month keys cannot be used: nothing can be sealed or opened until a person has acted."""


class MonthKey(NamedTuple):
    """A key that seals."""

    key_id: str
    cipher: AESSIV


class Destroyed(msgspec.Struct, frozen=True):
    """The marker that a month's keys leave. Times are aware; `made`: when the first of them was, if it was there."""

    at: datetime
    by: str
    why: str
    made: datetime | None = None


class Entry(NamedTuple):
    """What the folder has of a month. `is_back`: files of keys that were destroyed are there, of a copy or after a crash."""

    month: Month
    key_ids: list[str]
    made: datetime | None
    destroyed: Destroyed | None
    is_back: bool = False


class _Known(NamedTuple):
    """What a process knows of a month until a moment (monotonic seconds)."""

    seals: MonthKey | None
    opens: dict[str, AESSIV]
    destroyed: Destroyed | None
    until: float


def month_of(at: datetime) -> Month:
    """The month of an aware time, in UTC. Of a year that no log has, the nearest that one could have."""
    utc = at.astimezone(UTC)
    return min(max(utc.year, _FIRST_YEAR), _LAST_YEAR) * 100 + utc.month


def end_of(month: Month) -> datetime:
    """The first moment (UTC) that is not in the month any more."""
    year, number = divmod(month, 100)
    return datetime(year + number // 12, number % 12 + 1, 1, tzinfo=UTC)


def name_of(month: Month) -> str:
    """As people write it: 2026-11."""
    return f"{month // 100}-{month % 100:02d}"


def month_named(words: str) -> Month | None:
    """The month that a person writes as 2026-11, 202611 or m202611."""
    named = re.fullmatch(f"m?({_MONTH})", words.strip().replace("-", ""))
    return int(named[1]) if named else None


class MonthKeys:
    """The keys in `folder`, which is made with the first one. May be shared by threads. `clock`: monotonic seconds.

    What it looks up it remembers for RECHECK_SECONDS: no record costs an access to the disk. Raises KeyRingError.
    """

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self.folder, self._clock = folder, clock
        self._known: dict[Month, _Known] = {}

    def sealing(self, at: datetime) -> MonthKey | Destroyed:
        """The key of the month of `at`, an aware time; made if nobody has made it. Blocks on the disk now and then."""
        month = month_of(at)
        known = self._look(month)
        if known.seals is None and known.destroyed is None:
            self._make(month)
            known = self._look(month)
        if found := known.destroyed or known.seals:
            return found
        raise KeyRingError(
            f"{self._key_file(month)} was removed as soon as it was made: leave the folder alone"
        )

    def opening(self, key_id: str) -> AESSIV | Destroyed | None:
        """The key of this id; None if the folder does not have it. Blocks as `sealing`."""
        named = KEY_ID.fullmatch(key_id)
        if named is None:
            return None
        known = self._look(int(named[1]))
        return known.destroyed or known.opens.get(key_id)

    def destroy(self, month: Month, at: datetime, by: str, why: str) -> Destroyed:
        """Overwrite and remove the keys of a month, for good; returns its marker, the first one if it has one. Blocks.

        1. The marker: whoever reads a key looks for it afterwards, so nobody takes what is half overwritten for a key.
        2. The keys; also those of a month that was destroyed before, which a copy of the folder may have brought back.
        """
        with self._disk():
            files = self._files(month)
            marker = Destroyed(at, by, why, _made(files))
            self._put(self._marker_file(month), msgspec.json.encode(marker))  # 1
            for file in self._files(month):  # 2
                _overwrite(file)
                file.unlink()
            _sync(self.folder)
            self._known.pop(month, None)
            return self._marker(month) or marker

    def entries(self) -> list[Entry]:
        """Every month of which the folder has a key or a marker, in order. Blocks."""
        with self._disk():
            names = _names(self.folder)
            found = {
                named[1]
                for name in names
                if (named := _KEY_FILE.fullmatch(name) or _MARKER_FILE.fullmatch(name))
            }
            return [self._entry(int(month)) for month in sorted(found)]

    def _entry(self, month: Month) -> Entry:
        files = self._files(month)
        if marker := self._marker(month):
            return Entry(month, [], marker.made, marker, bool(files))
        ids = [_key(month, file, data)[0] for file in files if (data := _bytes(file)) is not None]
        return Entry(month, ids, _made(files), None)

    def _look(self, month: Month) -> _Known:
        known = self._known.get(month)
        if known is None or known.until <= self._clock():
            known = self._read(month)
            if known.seals or known.destroyed:  # what is not there may be made at any moment
                self._known[month] = known
        return known

    def _read(self, month: Month) -> _Known:
        """Without the file that seals no other is looked for: an id that anybody may write costs two accesses to the disk.

        The marker is looked for after the keys were read (see `destroy`).
        """
        until = self._clock() + RECHECK_SECONDS
        with self._disk():
            there = _bytes(self._key_file(month)) is not None
            read = [(file, _bytes(file)) for file in (self._files(month) if there else ())]
            if marker := self._marker(month):
                return _Known(None, {}, marker, until)
            keys = dict(_key(month, file, data) for file, data in read if data is not None)
        seals = next((MonthKey(*key) for key in keys.items()), None)
        return _Known(seals, keys, None, until)

    def _make(self, month: Month) -> None:
        """Several may do so at once: the first one's key is everybody's. A month that was destroyed meanwhile stays so."""
        key = base64.b64encode(os.urandom(weak_keys.BYTES))
        with self._disk():
            self._put(self._key_file(month), key + b"\n")
            if self._marker(month):
                self._key_file(month).unlink(missing_ok=True)

    def _put(self, file: Path, data: bytes) -> None:
        """Write a file that is there whole or not at all, and only if it is not there. Blocks until the disk has it."""
        whole_file.make_folder(self.folder)
        draft = file.with_name(f"{file.name}.{os.getpid()}-{secrets.token_hex(8)}.new")
        try:
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
                out.write(data)
                out.flush()
                os.fsync(out.fileno())
            whole_file.give(draft, self.folder)
            with suppress(FileExistsError):
                os.link(draft, file)
        finally:
            draft.unlink(missing_ok=True)
        _sync(self.folder)

    def _key_file(self, month: Month) -> Path:
        return self.folder / f"m{month}.key"

    def _marker_file(self, month: Month) -> Path:
        return self.folder / f"m{month}.destroyed"

    def _files(self, month: Month) -> list[Path]:
        """The month's keys, the one that seals first."""
        of_month = (
            name
            for name in _names(self.folder)
            if (named := _KEY_FILE.fullmatch(name)) and int(named[1]) == month
        )
        own = self._key_file(month)
        return sorted((self.folder / name for name in of_month), key=lambda file: (file != own, file.name))

    def _marker(self, month: Month) -> Destroyed | None:
        file = self._marker_file(month)
        data = _bytes(file)
        if data is None:
            return None
        try:
            return msgspec.json.decode(data, type=Destroyed)
        except msgspec.MsgspecError:
            raise KeyRingError(f"{file} is damaged: restore it from a copy of the folder") from None

    @contextmanager
    def _disk(self) -> Iterator[None]:
        try:
            yield
        except KeyRingError:
            raise
        except OSError as error:
            said = error.strerror or type(error).__name__
            raise KeyRingError(
                f"the month keys in {self.folder.resolve()} cannot be used ({said}): see that the folder is there, is"
                " writable, and is that of HCP_SEAL__MONTHS"
            ) from error


def _key(month: Month, file: Path, data: bytes) -> tuple[str, AESSIV]:
    """Id and cipher of the key in a file. Raises KeyRingError."""
    try:
        key = base64.b64decode(data.strip(), validate=True)
    except binascii.Error:
        key = b""
    if weakness := weak_keys.weakness(key):
        raise KeyRingError(f"{file} is damaged (its key {weakness}): restore it from a copy of the folder")
    fingerprint = hashlib.sha256(b"hcp month key" + key).hexdigest()[:8]
    return f"m{month}{fingerprint}", AESSIV(key)


def _bytes(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return None


def _names(folder: Path) -> list[str]:
    try:
        return [file.name for file in folder.iterdir()]
    except FileNotFoundError:
        return []


def _made(files: list[Path]) -> datetime | None:
    times = [file.stat().st_mtime for file in files]
    return datetime.fromtimestamp(min(times), UTC).replace(microsecond=0) if times else None


def _overwrite(file: Path) -> None:
    """With chance, in place: what a file system or a disk keeps of it elsewhere is beyond a program."""
    with file.open("r+b") as out:
        out.write(os.urandom(file.stat().st_size))
        out.flush()
        os.fsync(out.fileno())


def _sync(folder: Path) -> None:
    """Have the disk remember which files the folder has."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
