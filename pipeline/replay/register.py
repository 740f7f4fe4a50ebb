"""The register of replays, `office.replay`: what was asked for, how it stands, who ended it and why."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, NamedTuple

from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, func, insert, select, text, update

from pipeline.ledger.failures import Stop
from pipeline.ledger.migrate import config_for
from pipeline.ledger.office_tables import office, replay
from pipeline.settings import Rules, Settings

_CLASS = 0x7265_706C  # advisory locks of replays


class Replay(NamedTuple):
    """A row of `office.replay`."""

    schema: str
    source: str
    rules: dict[str, Any]
    since: list[str]
    until: list[str]
    revision: str
    state: str
    begun_by: str
    begun_at: datetime
    ended_by: str
    ended_at: datetime | None
    why: str
    kept_as: str
    diff: dict[str, Any] | None

    def settings(self, settings: Settings) -> Settings:
        """The settings with this replay's rules, on its schema."""
        database = settings.database.model_copy(update={"ledger_schema": self.schema})
        return settings.model_copy(update={"rules": Rules(**self.rules), "database": database})


def revision(connection: Connection, settings: Settings) -> str:
    """The revision of the database's tables. Raises Stop if it is not the one that this code is made for."""
    here = MigrationContext.configure(connection, opts={"version_table_schema": office.schema})
    at, head = (
        here.get_current_revision(),
        ScriptDirectory.from_config(config_for(connection, settings.database)).get_current_head(),
    )
    if at is None or at != head:
        raise Stop(
            f"the database's tables are of revision {at}, this code is made for {head}: run `hcp migrate`"
        )
    return at


def enter(connection: Connection, **columns: Any) -> None:
    """A new row, its state `running`."""
    connection.execute(insert(replay).values(state="running", **columns))


def find(connection: Connection, schema: str) -> Replay:
    """The replay that made this schema. Raises Stop if there is none, or it is over."""
    row = connection.execute(select(replay).where(replay.c.schema == schema)).mappings().one_or_none()
    if row is None:
        raise Stop(f"there is no replay {schema}: see `hcp replay list`")
    found = Replay(**row)
    if found.state in {"accepted", "dropped"}:
        raise Stop(f"the replay {schema} was {found.state} by {found.ended_by}: see `hcp replay list`")
    return found


def every(connection: Connection) -> list[Replay]:
    """All replays, the newest first."""
    rows = connection.execute(select(replay).order_by(replay.c.begun_at.desc())).mappings()
    return [Replay(**row) for row in rows]


def note(connection: Connection, schema: str, **columns: Any) -> None:
    """Change columns of a row."""
    connection.execute(update(replay).where(replay.c.schema == schema).values(**columns))


def end(connection: Connection, schema: str, state: str, by: str, why: str, kept_as: str = "") -> None:
    """Who ended it, when and why."""
    note(connection, schema, state=state, ended_by=by, ended_at=func.now(), why=why, kept_as=kept_as)


@contextmanager
def claimed(pool: Engine, schema: str) -> Iterator[None]:
    """Nobody else works on this replay meanwhile. Raises Stop if somebody does."""
    with pool.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        claim = text("select pg_try_advisory_lock(:class, hashtext(:schema))")
        if not connection.scalar(claim, {"class": _CLASS, "schema": schema}):
            raise Stop(f"another process works on {schema}: wait until it is done")
        try:
            yield
        finally:
            connection.scalar(
                text("select pg_advisory_unlock(:class, hashtext(:schema))"),
                {"class": _CLASS, "schema": schema},
            )
