"""The ledger's connections: one engine a process, with the search path on the ledger's schema."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import psycopg2
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor
from sqlalchemy import Engine, create_engine

from pipeline.ledger.failures import without_values
from pipeline.settings import Database

KEEPALIVE = {
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "connect_timeout": 5,
}
"""A peer that vanished without a word is noticed within about 11 seconds."""


class Discreet(Cursor):
    """A cursor whose errors hold no values of rows: whoever logs, keeps or shows them may do so."""

    def execute(self, *args: Any, **kwargs: Any) -> None:
        """As psycopg2's."""
        with _discreet():
            super().execute(*args, **kwargs)

    def executemany(self, *args: Any, **kwargs: Any) -> None:
        """As psycopg2's."""
        with _discreet():
            super().executemany(*args, **kwargs)

    def copy_expert(self, *args: Any, **kwargs: Any) -> None:
        """As psycopg2's."""
        with _discreet():
            super().copy_expert(*args, **kwargs)

    def fetchmany(self, *args: Any, **kwargs: Any) -> list[tuple[Any, ...]]:
        """As psycopg2's: of a cursor of the server, rows are still computed here."""
        with _discreet():
            return super().fetchmany(*args, **kwargs)


@contextmanager
def _discreet() -> Iterator[None]:
    try:
        yield
    except psycopg2.Error as error:
        without_values(error)
        raise


def engine(database: Database, name: str, *, pool_size: int = 2, **server: str) -> Engine:
    """An engine for this process. `name` is shown in pg_stat_activity; `server`: settings of the sessions.

    Connects on first use. NotConfiguredError if no database is set.
    """
    server = {"search_path": database.ledger_schema, "timezone": "UTC"} | server
    options = " ".join(f"-c {key}={value}" for key, value in server.items())
    return create_engine(
        database.sqlalchemy_url,
        pool_size=pool_size,
        pool_pre_ping=True,
        hide_parameters=True,
        connect_args=KEEPALIVE
        | {"options": options, "application_name": f"hcp-{name}", "cursor_factory": Discreet},
    )


@contextmanager
def opened_engine(database: Database, name: str, *, pool_size: int = 2, **server: str) -> Iterator[Engine]:
    """An engine for a command, as `engine` makes it; its connections are given back at the end, whatever happened."""
    pool = engine(database, name, pool_size=pool_size, **server)
    try:
        yield pool
    finally:
        pool.dispose()


@contextmanager
def transaction(pool: Engine) -> Iterator[Cursor]:
    """A cursor of psycopg2 itself, for COPY and arrays: commits at the end, rolls back on an exception."""
    borrowed = pool.raw_connection()
    connection = cast(Connection, borrowed.driver_connection)
    try:
        with connection.cursor() as cursor:
            yield cursor
        connection.commit()
    except BaseException:
        connection.rollback()
        raise
    finally:
        borrowed.close()
