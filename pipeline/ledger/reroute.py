"""Tickets that go to another department because their case came late or was corrected, where they are many.

The fold notes the service (`pipeline.ledger.write`); here its tickets are worked through in portions, a transaction each,
so that no batch waits for all of them. What a portion writes and tells is what the fold would have written and told.
"""

from typing import Any
from uuid import UUID

from psycopg2.extensions import cursor as Cursor
from sqlalchemy import Engine

from pipeline.ledger import entries
from pipeline.ledger.engine import transaction
from pipeline.ledger.fold import Folder
from pipeline.ledger.write import write_tickets
from pipeline.rules.fold import Change
from pipeline.rules.policy import Policy
from pipeline.rules.records import Dossier, Key
from pipeline.rules.settle import settle
from pipeline.rules.tickets import Ticket, tickets

PORTION = 1_000
"""Tickets of a transaction: a service's row is locked for about a tenth of a second."""
_NOTED = "select case_no, service_no from reroute order by case_no, service_no limit 1"
_SERVICE = f"""
    select {entries.CASE} from service where case_no = %s and service_no = %s and not placeholder for update"""
_AFTER = "select after from reroute where case_no = %s and service_no = %s"
_TICKETS = f"""
    select t.ticket_id, t.dept_code, t.routed_by, t.opened_at, r.* from (
        select * from ticket where case_no = %s and service_no = %s and (%s::uuid is null or ticket_id > %s::uuid)
        order by ticket_id limit %s) t
    left join lateral (
        select {entries.REVIEW} from review r where r.case_no = t.case_no and r.service_no = t.service_no
        and r.review_no = t.review_no and r.event_id = t.event_id and r.digest = t.digest) r on true
    order by t.ticket_id"""

_REVIEW = 4
"""Where the columns of the review begin."""


def reroute(ledger: Engine, folder: Folder) -> bool:
    """Reroute a portion of the tickets of one noted service, in one transaction; False if no service is noted.

    The service's row is locked first, as the fold does. Blocks. Raises psycopg2 errors after a rollback.
    """
    with transaction(ledger) as cursor:
        cursor.execute(_NOTED)
        noted = cursor.fetchone()
        if noted is None:
            return False
        cursor.execute(_SERVICE, noted)
        service = cursor.fetchone()
        cursor.execute(_AFTER, noted)
        after = cursor.fetchone()
        if after is not None:
            last = _portion(cursor, folder, service, after[0]) if service else None
            _go_on_after(cursor, noted, last)
    return True


def finish(ledger: Engine, folder: Folder) -> None:
    """Reroute until no service is noted. Blocks."""
    while reroute(ledger, folder):
        pass


def _portion(cursor: Cursor, folder: Folder, service: entries.Row, after: Any) -> Any:
    """The tickets after this one; returns the last of them, None if it was the service's last."""
    key = Key(service[0], service[1])
    cursor.execute(_TICKETS, [*service[:2], after, after, PORTION])
    rows = cursor.fetchall()
    change = _change(key, service, [row for row in rows if row[_REVIEW] is not None], folder.policy)
    write_tickets(cursor, [change])
    folder.tell_tickets(cursor, [change])
    return rows[-1][0] if len(rows) == PORTION else None


def _change(key: Key, service: entries.Row, rows: list[entries.Row], policy: Policy) -> Change:
    """What the fold would make of these tickets if it held their reviews."""
    case = entries.case(service)
    dossier = Dossier(key, [case], [entries.review(row[_REVIEW:]) for row in rows])
    settled = settle(Dossier(key, [case]), policy)
    due = tickets(dossier, settled, policy)
    opened = {
        ticket_id: _as_kept(due[ticket_id], row) for row in rows if (ticket_id := UUID(str(row[0]))) in due
    }
    return Change(dossier, new=False, opened=opened, settled=settled, tickets=due)


def _as_kept(ticket: Ticket, row: entries.Row) -> Ticket:
    _, dept_code, routed_by, opened_at, *_ = row
    return ticket._replace(dept_code=dept_code, routed_by=routed_by, opened_at=opened_at)


def _go_on_after(cursor: Cursor, noted: entries.Row, last: Any) -> None:
    if last is None:
        cursor.execute("delete from reroute where case_no = %s and service_no = %s", noted)
    else:
        cursor.execute("update reroute set after = %s where case_no = %s and service_no = %s", [last, *noted])
