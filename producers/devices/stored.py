"""Devices in the ledger's schema `office`: read, added, given another key, revoked."""

from sqlalchemy import Connection, select

from pipeline.ledger.tables import device, device_key
from producers.devices.device import Device, Key


def all_devices(connection: Connection) -> list[Device]:
    """Every device with its keys, in the order of their ids. Blocks."""
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
        )
        for row in connection.execute(select(device).order_by(device.c.device_id))
    ]
