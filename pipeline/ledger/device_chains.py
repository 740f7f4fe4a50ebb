"""Chains of devices: each event of a counting device names the one before it, so a hole, a fork or a re-install shows.

The review is stored all the same (`contract.md`, `device_seq`, `device_prev`); here it is only told.
"""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, text

_CHAINS = """
with event as (
    select device_id, device_seq, device_prev, sent_digest, received_at, hall_code, window_code,
        dense_rank() over (partition by device_id, device_seq order by sent_digest) as branch
    from review where device_seq is not null and device_id <> ''),
link as (
    select device_id, device_seq, case when device_seq = 1 then device_prev is not null
        else device_prev is null or (
            exists (select from event p where p.device_id = e.device_id and p.device_seq = e.device_seq - 1)
            and not exists (select from event p where p.device_id = e.device_id and p.device_seq = e.device_seq - 1
                and p.sent_digest = lower(e.device_prev))) end as unlinked
    from event e)
select e.device_id, max(device_seq) as last_seq, max(received_at) as last_received_at,
    max(device_seq) - count(distinct device_seq) as missing,
    count(distinct device_seq) filter (where branch > 1) as forks,
    coalesce(max(l.unlinked), 0) as unlinked,
    (array_agg(hall_code order by received_at desc))[1] as hall_code,
    (array_agg(window_code order by received_at desc))[1] as window_code
from event e left join (select device_id, count(*) filter (where unlinked) as unlinked from link group by 1) l
    using (device_id)
group by e.device_id order by e.device_id"""


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
