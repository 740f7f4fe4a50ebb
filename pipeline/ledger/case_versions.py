"""What departments and systems say of one service, the owner's and others', for people who decide between them; what they
decided; and who owns it.
"""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, text

from pipeline.ledger.engine import opened_engine
from pipeline.rules.ownership import Owner
from pipeline.settings import Database

MOST = 20
_OWNER = """
    with decided as (
        select dept_code from decision where case_no = :case_no and service_no = :service_no
        order by received_at desc, event_id collate "C" desc, digest desc limit 1)
    select v.dept_code, v.sender from (
        select dept_code, sender, version_received_at as received_at, event_id, digest from service
        where case_no = :case_no and service_no = :service_no and not placeholder
        union all
        select v.dept_code, v.sender, v.received_at, v.event_id, v.digest
        from service s join case_version v using (case_no, service_no)
        where case_no = :case_no and service_no = :service_no and s.crowd is null
        union all
        select v.dept_code, v.sender, v.received_at, v.event_id, v.digest
        from service s join case_version v on (v.case_no, v.service_no, v.event_id, v.digest)
            = (s.case_no, s.service_no, s.crowd -> 'least' ->> 0, (s.crowd -> 'least' ->> 1)::uuid)
        where s.case_no = :case_no and s.service_no = :service_no
        union all
        select v.dept_code, v.sender, v.received_at, v.event_id, v.digest
        from service s join case_version v using (case_no, service_no), decided d
        where case_no = :case_no and service_no = :service_no and s.crowd is not null
            and v.dept_code = d.dept_code) v
    left join decided d on d.dept_code = v.dept_code
    order by d.dept_code is null, received_at, event_id collate "C", digest limit 1"""
"""Of a crowded service the version is named that was first; those of a department that persons decided for are looked for."""
_SAID = """
    select dept_code, sender, count(*) as versions, min(received_at) as first_at, max(received_at) as last_at,
        bool_or(holds) as holds
    from (
        select dept_code, sender, version_received_at as received_at, true as holds from service
        where case_no = :case_no and service_no = :service_no and not placeholder
        union all
        select dept_code, sender, received_at, false from case_version
        where case_no = :case_no and service_no = :service_no) v
    group by 1, 2 order by first_at, 1, 2 limit :most"""


_DECIDED = """
    select dept_code, decided_by, why, received_at as at from decision
    where case_no = :case_no and service_no = :service_no
    order by received_at desc, event_id collate "C" desc, digest desc limit :most"""


class Decided(NamedTuple):
    """Whose a service is, as a person decided it."""

    dept_code: str
    decided_by: str
    why: str
    at: datetime


class Said(NamedTuple):
    """The versions of one department from one sender ("": nobody signed them). `holds`: one of them is the content."""

    dept_code: str
    sender: str
    versions: int
    first_at: datetime
    last_at: datetime
    holds: bool


def said_of(connection: Connection, case_no: str, service_no: int) -> list[Said]:
    """Who said something of this service, who was first on top, 20 at most. Blocks; reads all its versions."""
    rows = connection.execute(text(_SAID), {"case_no": case_no, "service_no": service_no, "most": MOST})
    return [Said(*row) for row in rows]


def decided_of(connection: Connection, case_no: str, service_no: int) -> list[Decided]:
    """What persons decided of this service, the last on top, which holds; 20 at most. Blocks."""
    rows = connection.execute(text(_DECIDED), {"case_no": case_no, "service_no": service_no, "most": MOST})
    return [Decided(*row) for row in rows]


def owner_of(connection: Connection, case_no: str, service_no: int) -> Owner | None:
    """Whose this service is; None if its case has not come. Blocks for milliseconds."""
    row = connection.execute(text(_OWNER), {"case_no": case_no, "service_no": service_no}).one_or_none()
    return Owner(*row) if row else None


def ask(database: Database, case_no: str, service_no: int) -> tuple[list[Said], list[Decided]]:
    """Who said what of it, and what persons decided, for a command. Blocks; raises sqlalchemy errors when the database is away."""
    with opened_engine(database, "case", pool_size=1) as pool, pool.connect() as connection:
        return said_of(connection, case_no, service_no), decided_of(connection, case_no, service_no)
