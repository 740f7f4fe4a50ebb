"""Devices in the ledger's schema `office`: read, added, given another key, revoked. Every function blocks."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import Connection, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from pipeline.ledger.office_tables import device, device_key
from producers.devices.device import Device, Key
from producers.errors import DeviceError


def all_devices(connection: Connection) -> list[Device]:
    """Every device with its keys, in the order of their ids."""
    keys: dict[str, list[Key]] = {}
    for row in connection.execute(select(device_key).order_by(device_key.c.created_at, device_key.c.key_id)):
        keys.setdefault(row.device_id, []).append(Key(row.key_id, row.secret, row.not_after))
    return [
        Device(
            row.device_id,
            row.kind,
            row.name,
            tuple(row.channels),
            row.dept_code,
            row.hall_code,
            row.window_code,
            row.revoked_at,
            tuple(keys.get(row.device_id, [])),
            tuple(row.placeholders),
            row.per_minute,
            row.version_1_until,
            row.version_2_seen_at,
        )
        for row in connection.execute(select(device).order_by(device.c.device_id))
    ]


def insert_device(connection: Connection, new: Device) -> None:
    """A new device, without keys. Raises DeviceError if there is one of this id."""
    columns = {
        "device_id": new.device_id,
        "kind": new.kind,
        "name": new.name,
        "channels": list(new.channels),
        "dept_code": new.dept_code,
        "hall_code": new.hall_code,
        "window_code": new.window_code,
        "placeholders": list(new.placeholders),
        "per_minute": new.per_minute,
        "version_1_until": new.version_1_until,
    }
    try:
        connection.execute(insert(device).values(columns))
    except IntegrityError:
        raise DeviceError(
            f"there is a device {new.device_id} already: see hcp device list; its id is never given again"
        ) from None


def lock_device(connection: Connection, device_id: str) -> list[str]:
    """The ids of the keys of a device that is in use, which nobody else changes until the transaction ends.

    Raises DeviceError if there is none, or it was revoked.
    """
    found = connection.execute(
        select(device.c.revoked_at).where(device.c.device_id == device_id).with_for_update()
    ).one_or_none()
    if found is None:
        raise DeviceError(f"there is no device {device_id}: see hcp device list")
    if found.revoked_at is not None:
        raise DeviceError(f"the device {device_id} was revoked: add a new one")
    return list(
        connection.scalars(select(device_key.c.key_id).where(device_key.c.device_id == device_id)).all()
    )


def insert_key(connection: Connection, device_id: str, key: Key) -> None:
    """Another key of a device."""
    connection.execute(insert(device_key).values(device_id=device_id, key_id=key.key_id, secret=key.secret))


def end_keys(connection: Connection, device_id: str, at: datetime) -> None:
    """Its keys hold until then, those that end before excepted."""
    connection.execute(
        update(device_key)
        .where(device_key.c.device_id == device_id)
        .values(not_after=func.least(func.coalesce(device_key.c.not_after, at), at))
    )


def set_placeholders(connection: Connection, device_id: str, numbers: Sequence[str]) -> None:
    """These numbers of its stand for no case, and no others."""
    connection.execute(
        update(device).where(device.c.device_id == device_id).values(placeholders=list(numbers))
    )


def set_rate(connection: Connection, device_id: str, per_minute: int | None) -> None:
    """So many events a minute it may send; None: as many as any other."""
    connection.execute(update(device).where(device.c.device_id == device_id).values(per_minute=per_minute))


def set_version_1_until(connection: Connection, device_id: str, until: datetime | None) -> None:
    """Until then version 1 of its signature counts; None: not any more."""
    connection.execute(update(device).where(device.c.device_id == device_id).values(version_1_until=until))


def mark_version_2_seen(connection: Connection, device_ids: Collection[str], at: datetime) -> None:
    """These have signed with version 2; those of which that is known keep their time."""
    unseen = device.c.device_id.in_(device_ids) & device.c.version_2_seen_at.is_(None)
    connection.execute(update(device).where(unseen).values(version_2_seen_at=at))


def revoke(connection: Connection, device_id: str, at: datetime) -> None:
    """No signature of its holds any more."""
    connection.execute(update(device).where(device.c.device_id == device_id).values(revoked_at=at))
