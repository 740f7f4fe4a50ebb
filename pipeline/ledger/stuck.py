"""Workers that were stopped while they sent rows: PostgreSQL waits for the rest without end, and others for their locks.

No time-out of the server's ends a COPY that waits for its client (`statement_timeout` is heeded between its data,
`idle_in_transaction_session_timeout` between statements), and the client's machine answers keep-alives. So who waits ends it.
"""

from sqlalchemy import Connection, text

STUCK_SECONDS = 10.0
"""As long as `idle_in_transaction_session_timeout` leaves a worker that was stopped between two statements."""
_END = text("""
    select count(*) filter (where pg_terminate_backend(holder.pid)) from pg_stat_activity holder
    where holder.application_name = current_setting('application_name') and holder.datname = current_database()
      and holder.state = 'active' and holder.wait_event = 'ClientRead'
      and holder.query_start < clock_timestamp() - make_interval(secs => :seconds)
      and exists (
        select from pg_stat_activity waiting
        where waiting.wait_event_type = 'Lock' and holder.pid = any(pg_blocking_pids(waiting.pid)))""")


def end_stuck(connection: Connection, seconds: float = STUCK_SECONDS) -> int:
    """End the sessions of our kind (by application name) that keep others waiting and have waited so long for their own client.

    Returns how many. Their transactions are rolled back; a worker that wakes up does its batch again. Blocks.
    """
    return connection.scalar(_END, {"seconds": seconds}) or 0
