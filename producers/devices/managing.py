"""What `hcp device` does: a device is added, gets another key, is revoked. A secret leaves here once, when it is made."""

import base64
import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import NamedTuple

from msgspec.structs import replace
from sqlalchemy import Connection

from pipeline.clock import utc_now
from pipeline.ledger.engine import opened_engine
from pipeline.sealing import Sealer
from pipeline.settings import Settings
from pipeline.signing import NAME
from producers.devices import stored
from producers.devices.device import Device, Key
from producers.devices.tickets import Tickets
from producers.errors import DeviceError
from producers.placeholders import is_placeholder, placeholders_of
from schemas.codes import Channel

SECRET_BYTES = 32
MOST_PER_MINUTE = 1_000_000
"""More than any gateway takes."""
MOST_VERSION_1 = timedelta(days=366)
_SPAN = re.compile("([0-9]{1,4})([mhd])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


class NewKey(NamedTuple):
    """A key as its device must know it. `secret` is base64url, without padding; `ticket` is exchanged for it, once, soon."""

    device_id: str
    key_id: str
    secret: str
    ticket: str = ""


class Office:
    """The register of devices. Every method blocks; raises DeviceError, and sqlalchemy errors when the database is away."""

    def __init__(self, settings: Settings, clock: Callable[[], datetime] = utc_now) -> None:
        self._settings, self._clock = settings, clock
        self._sealer = Sealer(settings.seal)
        self._tickets = Tickets(self._sealer, clock)

    def add(self, new: Device) -> NewKey:
        """Register a device; returns its first key."""
        _check(new)
        _check_until(new.version_1_until, self._clock())
        new = replace(new, placeholders=_placeholders(new.placeholders))
        with self._register() as connection:
            stored.insert_device(connection, new)
            return self._new_key(connection, new.device_id, ())

    def rotate(self, device_id: str, overlap: timedelta) -> NewKey:
        """Give a device another key; those before hold for `overlap` longer."""
        with self._register() as connection:
            before = stored.lock_device(connection, device_id)
            stored.end_keys(connection, device_id, self._clock() + overlap)
            return self._new_key(connection, device_id, before)

    def revoke(self, device_id: str) -> None:
        """Nothing that it signs is taken any more."""
        with self._register() as connection:
            stored.lock_device(connection, device_id)
            stored.revoke(connection, device_id, self._clock())

    def add_placeholders(
        self, device_id: str, numbers: Iterable[str], *, instead: bool = False
    ) -> tuple[str, ...]:
        """These numbers of its stand for no case from now on, beside those before or `instead` of them; returns all."""
        added = _placeholders(numbers)
        with self._register() as connection:
            stored.lock_device(connection, device_id)
            before = () if instead else _one(stored.all_devices(connection), device_id).placeholders
            placeholders = _placeholders([*before, *added])
            stored.set_placeholders(connection, device_id, placeholders)
        return placeholders

    def set_rate(self, device_id: str, per_minute: int | None) -> None:
        """So many events a minute it may send from now on; None: as many as any other."""
        _check_rate(per_minute)
        with self._register() as connection:
            stored.lock_device(connection, device_id)
            stored.set_rate(connection, device_id, per_minute)

    def set_version_1_until(self, device_id: str, until: datetime | None) -> None:
        """Version 1 of its signature counts until then, beside version 2; None: not any more."""
        _check_until(until, self._clock())
        with self._register() as connection:
            stored.lock_device(connection, device_id)
            stored.set_version_1_until(connection, device_id, until)

    def devices(self) -> list[Device]:
        """All of them, in the order of their ids."""
        with self._register() as connection:
            return stored.all_devices(connection)

    def device(self, device_id: str) -> Device:
        """This one, also a revoked one."""
        return _one(self.devices(), device_id)

    def has_as_placeholder(self, number: str) -> Device | None:
        """A device in use that sends this number for everybody; None if there is none."""
        used = (one for one in self.devices() if one.revoked_at is None)
        return next((one for one in used if is_placeholder(number, one.placeholders)), None)

    def _new_key(self, connection: Connection, device_id: str, before: Sequence[str]) -> NewKey:
        secret, key_id = secrets.token_bytes(SECRET_BYTES), f"k{len(before) + 1}"
        stored.insert_key(connection, device_id, Key(key_id, self._sealer.seal(secret, device_id, key_id)))
        return NewKey(device_id, key_id, encode(secret), self._tickets.make(device_id, key_id))

    @contextmanager
    def _register(self) -> Iterator[Connection]:
        with (
            opened_engine(self._settings.database, "device", pool_size=1) as pool,
            pool.begin() as connection,
        ):
            yield connection


def encode(secret: bytes) -> str:
    """A secret as it is shown."""
    return base64.urlsafe_b64encode(secret).decode().rstrip("=")


def decode(shown: str) -> bytes:
    """A secret as it signs. Raises DeviceError."""
    try:
        secret = base64.b64decode(
            shown.strip() + "=" * (-len(shown.strip()) % 4), altchars=b"-_", validate=True
        )
    except ValueError:
        secret = b""
    if len(secret) != SECRET_BYTES:
        raise DeviceError("the secret is not what hcp device add showed: 43 letters, digits, - and _")
    return secret


def span(text: str) -> timedelta:
    """`7d`, `12h`, `30m`. Raises DeviceError."""
    said = _SPAN.fullmatch(text)
    if not said:
        raise DeviceError(f"{text!r} is no time: 7d, 12h or 30m")
    return timedelta(**{_UNITS[said[2]]: int(said[1])})


def _one(devices: Iterable[Device], device_id: str) -> Device:
    for device in devices:
        if device.device_id == device_id:
            return device
    raise DeviceError(f"there is no device {device_id}: see hcp device list")


def _placeholders(numbers: Iterable[str]) -> tuple[str, ...]:
    try:
        return placeholders_of(numbers)
    except ValueError as error:
        raise DeviceError(str(error)) from None


def _check(new: Device) -> None:
    if not NAME.fullmatch(new.device_id):
        raise DeviceError("a device's id is 1 to 64 letters, digits, points, _ and -")
    unknown = sorted(set(new.channels) - set(Channel))
    if unknown:
        raise DeviceError(f"no channel is called {unknown[0]}: one of {', '.join(Channel)}")
    if new.kind == "terminal" and not new.channels:
        raise DeviceError("a terminal sends reviews: name its --channel")
    if len(new.dept_code) > 18 or max(len(new.hall_code), len(new.window_code)) > 64:
        raise DeviceError("a department's code has 18 characters, a hall's or a window's at most 64")
    _check_rate(new.per_minute)


def _check_rate(per_minute: int | None) -> None:
    if per_minute is not None and not 1 <= per_minute <= MOST_PER_MINUTE:
        raise DeviceError(f"a rate is 1 to {MOST_PER_MINUTE} events a minute")


def _check_until(until: datetime | None, now: datetime) -> None:
    if until is not None and not now < until <= now + MOST_VERSION_1:
        raise DeviceError(
            "version 1 may end on a day within the year to come; to end it now: hcp device version-1 DEVICE --none"
        )
