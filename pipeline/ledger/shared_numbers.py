"""One case number, many strangers: services with more reviews or versions than one citizen and one office give.

This only reports. No count decides what a record means: who knows that a number is nobody's is its sender, at the edge
(`hcp device placeholders`, a mapping's `placeholders`).
"""

from typing import NamedTuple

from sqlalchemy import Connection, text

from schemas.catalogue import department_names

MOST = 50
_SHARED = "from service where reviews + versions >= 20"
"""The predicate of the index `service_shared`: few rows, and no other is read."""
_COUNT = f"select count(*) {_SHARED}"
# A review's sender is its device, or the department that it names; a case's its source, or its department.
_FIRST = f"""
    with shared as (
        select case_no, service_no, reviews, versions, source, dept_code {_SHARED}
        order by reviews + versions desc, case_no, service_no limit :limit)
    select case_no, service_no, reviews, versions, array(
        select sender from (
            (select coalesce(nullif(r.device_id, ''), r.dept_code) as sender from review r
             where r.case_no = s.case_no and r.service_no = s.service_no limit 1000)
            union all
            (select coalesce(nullif(v.event ->> 'source', ''), v.dept_code) from case_version v
             where v.case_no = s.case_no and v.service_no = s.service_no limit 1000)
            union all select coalesce(nullif(s.source, ''), s.dept_code)) told
        where sender <> '' group by 1 order by count(*) desc, 1 limit 5) as senders
    from shared s order by reviews + versions desc, case_no, service_no"""


class SharedNumber(NamedTuple):
    """A service, how many records are under it, and who sent most of them: five devices, systems or departments at most."""

    case_no: str
    service_no: int
    reviews: int
    versions: int
    senders: tuple[str, ...]


def count_shared(connection: Connection) -> int:
    """How many services have 20 reviews and versions or more. Blocks."""
    return connection.scalar(text(_COUNT)) or 0


def shared_numbers(connection: Connection, limit: int = MOST) -> list[SharedNumber]:
    """The first of them, the greatest first. Blocks; of each, 1,000 reviews and versions at most are looked at."""
    names = department_names()
    return [
        SharedNumber(
            *(row.case_no, row.service_no, row.reviews, row.versions),
            senders=tuple(names.get(sender, sender) for sender in row.senders),
        )
        for row in connection.execute(text(_FIRST), {"limit": limit})
    ]
