"""The devices of a simulated county in the register: added when it begins, revoked when it ends. Their ids are used once."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from msgspec.structs import replace
from sqlalchemy import Connection

from pipeline.ledger.engine import opened_engine
from pipeline.sealing import Sealer
from pipeline.settings import Settings
from producers.devices import stored
from producers.devices.device import Device, Key
from producers.devices.managing import MOST_PER_MINUTE, SECRET_BYTES
from producers.simulation.miniature import Miniature
from producers.simulation.senders import senders
from producers.spool.http_sink import Sender

PREFIX = "sim-"
KEY_ID = "k1"
Enrolled = dict[str, Sender]
"""What signs, by its name in the plan."""


def enrol(settings: Settings, county: Miniature) -> Enrolled:
    """Register every sender of the county, or none. Blocks. Raises DeviceError if this very county was simulated before."""
    sealer = Sealer(settings.seal)
    with _register(settings) as register:
        return {device.device_id: _add(register, sealer, county, device) for device in senders(county)}


def withdraw(settings: Settings, enrolled: Enrolled) -> None:
    """Nothing more is taken from them. Blocks."""
    with _register(settings) as register:
        for sender in enrolled.values():
            stored.revoke(register, sender.device_id, datetime.now(UTC))


def _add(register: Connection, sealer: Sealer, county: Miniature, device: Device) -> Sender:
    sender = Sender(f"{PREFIX}{county.name}-{device.device_id}", KEY_ID, secrets.token_bytes(SECRET_BYTES))
    stored.insert_device(register, replace(device, device_id=sender.device_id, per_minute=MOST_PER_MINUTE))
    key = Key(KEY_ID, sealer.seal(sender.secret, sender.device_id, KEY_ID))
    stored.insert_key(register, sender.device_id, key)
    return sender


@contextmanager
def _register(settings: Settings) -> Iterator[Connection]:
    with opened_engine(settings.database, "simulate", pool_size=1) as pool, pool.begin() as connection:
        yield connection
