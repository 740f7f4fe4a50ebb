"""What departments and systems say of one service, the owner's and others', for people who decide between them."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, text

from pipeline.ledger.engine import engine
from pipeline.settings import Database

MOST = 20
_SAID = """
    select dept_code, sender, count(*) as versions, min(received_at) as first_at, max(received_at) as last_at,
        bool_or(holds) as holds
    from (
        select dept_code, sender, version_received_at as received_at, true as holds from service
        where case_no = :case_no and service_no = :service_no and not placeholder
        union all
        select event ->> 'dept_code', sender, received_at, false from case_version
        where case_no = :case_no and service_no = :service_no) v
    group by 1, 2 order by first_at, 1, 2 limit :most"""


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


def ask(database: Database, case_no: str, service_no: int) -> list[Said]:
    """The same, for a command. Blocks; raises sqlalchemy errors when the database is away."""
    pool = engine(database, "case", pool_size=1)
    try:
        with pool.connect() as connection:
            return said_of(connection, case_no, service_no)
    finally:
        pool.dispose()
