"""Who runs, and what last went wrong: the heartbeats in `office.component`."""

from sqlalchemy import Connection, case, func, literal
from sqlalchemy.dialects.postgresql import array, insert

from pipeline.ledger.office_tables import component

KEPT_STARTS = 4
"""As many last starts are kept: so many within ten minutes are a crash loop (`consumers/crashes.py`)."""


def count_start(connection: Connection, name: str) -> None:
    """Count that a process starts as `name`, before its first beat: a process that never beats counts too. Blocks."""
    now = array([func.now()])
    row = insert(component).values(name=name, state="stopped", starts=1, started=now)
    connection.execute(
        row.on_conflict_do_update(
            index_elements=["name"],
            set_={
                "starts": component.c.starts + 1,
                "started": (now + component.c.started)[1:KEPT_STARTS],
            },
        )
    )


def beat(connection: Connection, name: str, state: str, error: str = "") -> None:
    """Say that `name` lives. A new error is remembered with its time; none leaves the last one standing. Blocks."""
    row = insert(component).values(
        name=name, state=state, error=error, error_at=func.now() if error else None
    )
    said = literal(bool(error))
    connection.execute(
        row.on_conflict_do_update(
            index_elements=["name"],
            set_={
                "state": state,
                "at": func.now(),
                "error": case((said, error), else_=component.c.error),
                "error_at": case((said, func.now()), else_=component.c.error_at),
            },
        )
    )
