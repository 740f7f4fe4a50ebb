"""Services that a release judges by another rule than they were folded by: its migration notes them, the worker settles them anew."""

from sqlalchemy import Engine

from pipeline.ledger.engine import transaction
from pipeline.ledger.fold import Folder
from pipeline.ledger.held import hold
from pipeline.rules.fold import apply
from pipeline.rules.records import Key

BATCH = 500
_NOTED = "select case_no, service_no from resettle order by case_no, service_no limit %s"
_DONE = """
    delete from resettle r using unnest(%s::text[], %s::int[]) as k (case_no, service_no)
    where r.case_no = k.case_no and r.service_no = k.service_no"""


def resettle(ledger: Engine, folder: Folder) -> int:
    """Settle the next services that are noted, 500 at most, in one transaction; returns how many, 0 if none is left.

    Content, counters, outcome and tickets become what a fold by today's rules makes them; tickets that go elsewhere are told.
    Blocks. Raises psycopg2 errors after a rollback.
    """
    with transaction(ledger) as cursor:
        cursor.execute(_NOTED, [BATCH])
        keys = [Key(*row) for row in cursor.fetchall()]
        if keys:
            held = hold(cursor, keys, (), folder.policy, trust_counts=False)
            changes = apply(held, (), folder.policy, again=held)
            folder.write(cursor, changes, folder.stripe)
            folder.tell_tickets(cursor, changes.dossiers)
            cursor.execute(_DONE, [[key.case_no for key in keys], [key.service_no for key in keys]])
    return len(keys)
