"""Devices as people look after them: those that are registered, and those that count their events without being so."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import IntEnum
from typing import NamedTuple

from sqlalchemy import Connection, select, text

from pipeline.ledger.coverage import CHANNEL_DAYS
from pipeline.ledger.device_chains import DeviceChain, chains
from pipeline.ledger.office_tables import device

FAULTS = ("missing", "forked", "unlinked")
SILENT = timedelta(days=CHANNEL_DAYS)

_HEARD = "select device_id, channel, max(received_at) as at from review where device_id <> '' group by 1, 2"
_CASES = "select source, max(version_received_at) from service where source = any(:systems) group by 1"


class Need(IntEnum):
    """What a device asks of a person, the most urgent first."""

    BROKEN = 0
    MISSING = 1
    SILENT = 2
    UNREGISTERED = 3
    NOTHING = 4
    REVOKED = 5

    @property
    def label(self) -> str:
        """As metrics and `hcp status` call it."""
        return self.name.lower()


class Standing(NamedTuple):
    """A device and how it stands. One that is not registered has neither kind nor `created_at`; one that does not count
    has no chain. `heard_at`: when its last record was received.
    """

    device_id: str
    kind: str
    name: str
    channels: tuple[str, ...]
    dept_code: str
    hall_code: str
    window_code: str
    created_at: datetime | None
    revoked_at: datetime | None
    heard_at: datetime | None
    chain: DeviceChain | None

    @property
    def faults(self) -> dict[str, int]:
        """How many numbers are missing, how many were used twice, how many events do not name the one before."""
        numbers = (self.chain.missing, self.chain.forks, self.chain.unlinked) if self.chain else (0, 0, 0)
        return dict(zip(FAULTS, numbers, strict=True))

    def silence(self, now: datetime) -> timedelta:
        """Since its last record; since it was registered, if it never sent one."""
        since = self.heard_at or self.created_at
        return now - since if since else timedelta()

    def need(self, now: datetime) -> Need:
        """What it asks of a person. Who revoked a device has seen to it."""
        if self.revoked_at is not None:
            return Need.REVOKED
        faults = self.faults
        if faults["forked"] or faults["unlinked"]:
            return Need.BROKEN
        if faults["missing"]:
            return Need.MISSING
        if self.created_at is None:
            return Need.UNREGISTERED
        return Need.SILENT if self.silence(now) >= SILENT else Need.NOTHING


def devices(connection: Connection, now: datetime) -> list[Standing]:
    """Every registered device, and every one in the ledger that counts; what needs a person first. Blocks."""
    counting = {chain.device_id: chain for chain in chains(connection)}
    heard: dict[str, dict[str, datetime]] = {}
    for device_id, channel, at in connection.execute(text(_HEARD)):
        heard.setdefault(device_id, {})[channel] = at
    registered = connection.execute(select(device)).all()
    systems = [row.device_id for row in registered if row.kind == "system"]
    cases = {row[0]: row[1] for row in connection.execute(text(_CASES), {"systems": systems})}
    known = [
        Standing(
            *(row.device_id, row.kind, row.name, tuple(row.channels)),
            *(row.dept_code, row.hall_code, row.window_code, row.created_at, row.revoked_at),
            _last(heard.get(row.device_id, {}).values(), cases.get(row.device_id)),
            counting.pop(row.device_id, None),
        )
        for row in registered
    ]
    strangers = [_stranger(chain, heard[chain.device_id]) for chain in counting.values()]
    return sorted(known + strangers, key=lambda one: (one.need(now), -one.silence(now), one.device_id))


def faults(standing: Iterable[Standing]) -> dict[str, int]:
    """The faults of all devices that are not revoked, by kind."""
    looked_after = [one.faults for one in standing if one.revoked_at is None]
    return {kind: sum(found[kind] for found in looked_after) for kind in FAULTS}


def needs(standing: Iterable[Standing], now: datetime) -> dict[str, int]:
    """How many devices ask for what; the needs add up to all devices."""
    counts = {need.label: 0 for need in Need}
    for one in standing:
        counts[one.need(now).label] += 1
    return counts


def _last(times: Iterable[datetime], case: datetime | None) -> datetime | None:
    return max([*times, *([case] if case else [])], default=None)


def _stranger(chain: DeviceChain, heard: dict[str, datetime]) -> Standing:
    place = ("", chain.hall_code, chain.window_code)
    return Standing(
        chain.device_id, "", "", tuple(sorted(heard)), *place, None, None, max(heard.values()), chain
    )
