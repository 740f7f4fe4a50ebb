"""Chains of devices: each event of a counting device names the one before it, so a hole, a fork or a re-install shows.

The review is stored all the same (`contract.md`, `device_seq`, `device_prev`); here it is only told.
"""

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, text

from schemas.events import MOST_DEVICE_SEQ

_COUNTS = f"device_seq <= {MOST_DEVICE_SEQ}"
"""A greater number is no place in a chain: the holes before it would be without end, for good."""
_CHAINS = f"""
with event as (
    select device_id, device_seq, device_prev, sent_digest, received_at,
        lag(device_seq) over before as seq_before, lag(sent_digest) over before as digest_before
    from review where {_COUNTS} and device_id <> ''
    window before as (partition by device_id order by device_seq)),
link as (
    select *, case
        when device_seq = 1 then device_prev is null
        when device_prev is null then false
        when seq_before = device_seq - 1 and digest_before = lower(device_prev) then true
        else coalesce((
            select bool_or(coalesce(p.sent_digest = lower(event.device_prev), false)) from review p
            where p.device_id = event.device_id and p.device_seq = event.device_seq - 1), true) end as linked
    from event),
device as (
    select device_id, max(device_seq) as last_seq, max(received_at) as last_received_at,
        max(device_seq) - count(*) filter (where seq_before is distinct from device_seq) as missing,
        count(distinct device_seq) filter (
            where seq_before = device_seq and digest_before is distinct from sent_digest) as forks,
        count(*) filter (where not linked) as unlinked
    from link group by device_id)
select d.*, p.hall_code, p.window_code
from device d cross join lateral (
    select hall_code, window_code from review r where r.device_id = d.device_id and r.device_seq = d.last_seq
    order by received_at desc limit 1) p
order by device_id"""
"""One pass in the order of the numbers. Only where an event does not name the one right before it all of that number are asked."""
_HOLES = f"""
select device_id, seq_before + 1 as first, device_seq - 1 as last from (
    select device_id, device_seq, lag(device_seq, 1, 0::bigint) over (partition by device_id order by device_seq) as seq_before
    from review where {_COUNTS} and device_id = any(:devices)) s
where device_seq > seq_before + 1 order by device_id, first"""


class DeviceChain(NamedTuple):
    """One device. `missing`: numbers below the last that are not here (they may be on their way); `forks`: numbers used
    more than once, as after a re-install or a copy of the device; `unlinked`: events that do not name the one before.
    """

    device_id: str
    last_seq: int
    last_received_at: datetime
    missing: int
    forks: int
    unlinked: int
    hall_code: str
    window_code: str

    @property
    def whole(self) -> bool:
        """Whether nothing is odd about it."""
        return not (self.missing or self.forks or self.unlinked)


def chains(connection: Connection) -> list[DeviceChain]:
    """Every device that counts its events, by id. Blocks."""
    return [DeviceChain(*row) for row in connection.execute(text(_CHAINS))]


def holes(connection: Connection, devices: Collection[str]) -> dict[str, list[tuple[int, int]]]:
    """Of each of these devices with a number missing: the first and the last number of each hole. Blocks."""
    found: dict[str, list[tuple[int, int]]] = {}
    for device_id, first, last in connection.execute(text(_HOLES), {"devices": list(devices)}):
        found.setdefault(device_id, []).append((first, last))
    return found
