"""The devices in memory: read from the ledger every few seconds, kept in a file for a start without a database."""

import logging
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
from msgspec.structs import replace
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from pipeline import metrics
from pipeline.clock import utc_now
from pipeline.ledger.engine import engine
from pipeline.sealing import CannotOpen, Sealer
from pipeline.settings import Settings
from producers import state
from producers.devices.device import Device
from producers.devices.stored import all_devices, mark_version_2_seen
from producers.errors import DamagedError

REFRESH_SECONDS = 1.0
"""A revoked device is refused, and its stream ended, after this and a query's time: within two seconds."""
QUERY_LIMIT = "4s"
STOP_SECONDS = 2.0
FILE = "devices.json"
TRANSITION = timedelta(days=90)
"""So long after its copy was made a device may sign with version 1, where the copy says nothing of that."""
REWRITE = timedelta(minutes=1)
"""An unchanged copy is written again after this: its time says how old it is after a restart."""

log = logging.getLogger(__name__)


class Copy(msgspec.Struct):
    """The file: what the ledger had at `read_at`. Secrets are sealed in it as they are there.

    `dated`: whether it says until when each device may sign with version 1; a release before did not.
    """

    read_at: datetime
    devices: list[Device]
    dated: bool = False


class Sender(msgspec.Struct, frozen=True):
    """A device with its secrets open, by key id."""

    device: Device
    secrets: dict[str, bytes]


class Registry:
    """Knows every device. `find` never blocks; a thread refreshes between `start` and `stop`.

    Begins with the file of `folder`, if there is one. NotConfiguredError if the settings name no database.
    """

    def __init__(
        self, settings: Settings, sealer: Sealer, folder: Path, clock: Callable[[], datetime] = utc_now
    ) -> None:
        self._ledger: Engine = engine(
            settings.database, "devices", pool_size=1, statement_timeout=QUERY_LIMIT
        )
        self._sealer, self._file, self._clock = sealer, folder / FILE, clock
        self._senders: dict[str, Sender] = {}
        self.read_at: datetime | None = None
        self._written_at: datetime | None = None
        self._seen: set[str] = set()
        self.changed: list[Callable[[], None]] = []
        """Called in the thread that refreshes, whenever a device is not what it was."""
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._load()

    def find(self, device_id: str) -> Sender | None:
        """The device of this id, also a revoked one."""
        return self._senders.get(device_id)

    def has_still(self, device: Device) -> bool:
        """Whether this device is what it was: not revoked, with the same keys, the same place. Does not block."""
        sender = self._senders.get(device.device_id)
        return sender is not None and sender.device == device

    def saw_version_2(self, device_id: str) -> None:
        """It has signed with version 2; the ledger is told at the next refresh. Does not block."""
        self._seen.add(device_id)

    def __len__(self) -> int:
        """How many there are."""
        return len(self._senders)

    def refresh(self) -> bool:
        """Read the ledger once; False if it is away, and everything stays as it was. Blocks."""
        try:
            with self._ledger.connect() as connection:
                devices = all_devices(connection)
        except SQLAlchemyError as error:
            log.warning("away", extra={"task": "devices", "error": type(error).__name__})
            return False
        changed = self._learn(devices)
        self.read_at = self._clock()
        self._save(devices, changed)
        if changed:
            for tell in self.changed:
                tell()
        return True

    def measure(self) -> None:
        """Set the metrics to what is so now."""
        metrics.DEVICES_KNOWN.set(len(self))
        metrics.DEVICES_READ.set(self.read_at.timestamp() if self.read_at else 0)

    def start(self) -> None:
        """Refresh from now on, in a thread."""
        self._thread = threading.Thread(target=self._run, name="devices", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread and let go of the connection. Blocks for STOP_SECONDS at most: the database may hang."""
        self._stopping.set()
        if self._thread:
            self._thread.join(STOP_SECONDS)
        self._ledger.dispose()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self.refresh()
                self._report_seen()
            except Exception:  # a defect must not make it blind for good
                log.exception("failed", extra={"task": "devices"})
            self._stopping.wait(REFRESH_SECONDS)

    def _report_seen(self) -> None:
        """Tell the ledger who has signed with version 2: once a device, and kept for the next time if it is away."""
        seen = set(self._seen)
        if not seen:
            return
        try:
            with self._ledger.begin() as connection:
                mark_version_2_seen(connection, seen, self._clock())
        except SQLAlchemyError as error:
            log.warning("away", extra={"task": "version_2_seen", "error": type(error).__name__})
            return
        self._seen -= seen

    def _learn(self, devices: list[Device]) -> bool:
        """Have these and no others; returns whether that is new."""
        known = {name: sender.device for name, sender in self._senders.items()}
        told = {device.device_id: device for device in devices}
        if known == told:
            return False
        self._senders = {
            name: self._senders[name] if known.get(name) == device else self._open(device)
            for name, device in told.items()
        }
        return True

    def _open(self, device: Device) -> Sender:
        """With its secrets. One that our keys do not open is left out: nothing it signs is believed."""
        secrets = {}
        for key in device.keys:
            try:
                secrets[key.key_id] = self._sealer.open(key.secret, device.device_id, key.key_id)
            except CannotOpen:
                log.error(  # noqa: TRY400  the trace says nothing more
                    "secret_not_opened", extra={"device": device.device_id, "key": key.key_id}
                )
        return Sender(device, secrets)

    def _load(self) -> None:
        try:
            copy = state.read(self._file, Copy)
        except DamagedError:
            log.warning("copy_damaged", extra={"file": str(self._file)})
            return
        if copy:
            self._learn(copy.devices if copy.dated else _dated(copy))
            self.read_at = self._written_at = copy.read_at

    def _save(self, devices: list[Device], changed: bool) -> None:
        at = self._clock()
        if not changed and self._written_at and at - self._written_at < REWRITE:
            return
        try:
            state.write(self._file, Copy(at, devices, dated=True))
            self._written_at = at
        except OSError as error:
            log.warning("copy_not_written", extra={"error": type(error).__name__})


def _dated(copy: Copy) -> list[Device]:
    """The devices of a copy that a release before version 2 has made: nobody is refused while the ledger is away."""
    return [replace(device, version_1_until=copy.read_at + TRANSITION) for device in copy.devices]
