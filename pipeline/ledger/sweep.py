"""The sweep: looks for matches that the fold missed. It finds none, or there is a defect; each repair is on record."""

from datetime import datetime

from sqlalchemy import Engine

from pipeline.ledger import tables
from pipeline.ledger.copying import insert
from pipeline.ledger.engine import transaction
from pipeline.ledger.fold import Folder
from pipeline.ledger.held import hold
from pipeline.rules.fold import reunite
from pipeline.rules.records import Key

BATCH = 500
_MISSED = """
    select case_no, service_no from service s
    where open_since >= %s and not placeholder and exists (
        select from review r
        where r.case_no = s.case_no and r.service_no = s.service_no and r.review_no = 1 and r.channel <> 'default')
    order by case_no, service_no limit %s"""


def sweep(ledger: Engine, folder: Folder, since: datetime) -> list[Key]:
    """Match what waits since `since` or later though both halves are here; returns what was repaired. One transaction.

    Blocks. Raises psycopg2 errors after a rollback. Worst case: a missed match stands until the next sweep, a minute.
    """
    with transaction(ledger) as cursor:
        cursor.execute(_MISSED, [since, BATCH])
        missed = [Key(*row) for row in cursor.fetchall()]
        for dossier in hold(cursor, missed, (), folder.policy, trust_counts=False).values():
            changes = reunite(dossier, folder.policy)
            folder.write(cursor, changes, folder.stripe)
            folder.tell_tickets(cursor, changes.dossiers)
            insert(
                cursor,
                tables.repair,
                [{"case_no": dossier.key.case_no, "service_no": dossier.key.service_no}],
            )
    return missed
