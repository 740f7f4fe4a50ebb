"""A worker's slot: its static membership of the consumer group, claimed with an advisory lock of the session.

A killed worker that comes back under its slot takes over without a rebalance; two processes under one id would steal
partitions from each other for ever, so the id is held as long as the session lives.
"""

from sqlalchemy import Connection, Engine, text

from pipeline.ledger.failures import Stop

_CLASS = 0x686370  # advisory locks of slots
SESSION_SECONDS = 10
"""After so long without a heartbeat the consumer group gives a member's partitions to others."""
_LATELY = text(
    "select name from office.component where name like 'worker-%' and at > now() - make_interval(secs => :seconds)"
    " order by at desc"
)
_WHO = text("select pid, backend_start from pg_stat_activity where pid = pg_backend_pid()")
_END = text(
    "select pg_terminate_backend(pid, 5000) from pg_stat_activity where pid = :pid and backend_start = :start"
)
"""A connection that was lost without a word leaves its session, and the slot with it, until the server notices."""


class Slot:
    """A claimed slot: `number` from 0."""

    def __init__(self, ledger: Engine, slots: int) -> None:
        """Claim a free slot: one that somebody had until just now, else the first. Blocks.

        The group still counts on that member: under another slot its partitions would wait for the end of its session.
        Raises Stop when none is free, OperationalError when the database is away.
        """
        self._connection: Connection = ledger.connect().execution_options(isolation_level="AUTOCOMMIT")
        self.number = self._claim(slots)
        self._session = self._connection.execute(_WHO).one()

    def _claim(self, slots: int) -> int:
        names = self._connection.scalars(_LATELY, {"seconds": SESSION_SECONDS})
        lately = [int(name.removeprefix("worker-")) for name in names]
        for number in [number for number in lately if number < slots] + list(range(slots)):
            if self._try(number):
                return number
        self._connection.close()
        raise Stop(f"all {slots} slots are taken: so many workers run already (HCP_WORKER__SLOTS)")

    def _try(self, number: int) -> bool:
        return bool(
            self._connection.scalar(
                text("select pg_try_advisory_lock(:class, :slot)"), {"class": _CLASS, "slot": number}
            )
        )

    def close(self) -> None:
        """Free the slot."""
        self._connection.close()

    def fileno(self) -> int | None:
        """Of the session's socket: readable as soon as the server has ended it. None while there is no session."""
        if self._connection.invalidated or self._connection.closed:
            return None
        return int(self._connection.connection.driver_connection.fileno())  # type: ignore[union-attr]  # it is there

    def keep(self) -> None:
        """Check that the slot is still ours, or claim it again after the database was away. Blocks.

        Raises Stop when somebody else has it by now, OperationalError while the database is away.
        """
        if self._connection.invalidated or self._connection.closed:
            self._reconnect()
        try:
            self._connection.scalar(text("select 1"))
        except Exception:
            self._connection.invalidate()
            raise

    def _reconnect(self) -> None:
        engine = self._connection.engine
        self._connection.close()
        self._connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        self._connection.execute(_END, {"pid": self._session.pid, "start": self._session.backend_start})
        if not self._try(self.number):
            raise Stop(f"slot {self.number} was taken over by another worker while the database was away")
        self._session = self._connection.execute(_WHO).one()
