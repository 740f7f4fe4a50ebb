"""Where a ticket stands: what people did last decides; before their first step, what the log says."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from psycopg2.extensions import cursor as Cursor
from sqlalchemy import func, select, true

from pipeline.ledger.office_tables import ticket_step
from pipeline.ledger.tables import ticket
from schemas.tickets import State

_last_step = (
    select(ticket_step.c.state, ticket_step.c.dept_code)
    .where(ticket_step.c.ticket_id == ticket.c.ticket_id)
    .order_by(ticket_step.c.step_no.desc())
    .limit(1)
    .lateral("last_step")
)
tickets = ticket.outerjoin(_last_step, true())
"""Select `state` and `dept_code` from it."""
state = func.coalesce(_last_step.c.state, State.NEW.value)
dept_code: Any = func.coalesce(_last_step.c.dept_code, ticket.c.dept_code)


def taken(cursor: Cursor, ticket_ids: Collection[UUID]) -> set[UUID]:
    """Those of these tickets on which people have worked: they stay where they are. Blocks."""
    if not ticket_ids:
        return set()
    cursor.execute(
        "select distinct ticket_id::text from office.ticket_step where ticket_id = any(%s::uuid[])",
        [[str(ticket_id) for ticket_id in ticket_ids]],
    )
    return {UUID(row[0]) for row in cursor.fetchall()}
