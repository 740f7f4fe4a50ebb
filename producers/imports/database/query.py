"""Asking a foreign database, read-only: the rows of a query whose cursor column is not less than a value, in its order."""

import re
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, create_engine, make_url, text
from sqlalchemy.exc import (
    ArgumentError,
    InterfaceError,
    NoSuchModuleError,
    OperationalError,
    ProgrammingError,
    SQLAlchemyError,
)
from sqlalchemy.pool import NullPool

from producers.errors import CannotImportError, SourceAwayError
from producers.imports.database.cursor import Cursor, cursor_of
from producers.imports.database.values import Unreadable, keep_unreadable

ROWS_A_FETCH = 500
_COLUMN = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
_OUR_DRIVER = {"postgresql": "postgresql+psycopg2"}
"""What a URL without a driver means: the driver that comes with the project."""
_READ_ONLY = {
    "postgresql": "set transaction isolation level repeatable read, read only",
    "oracle": "set transaction read only",
    "mysql": "start transaction with consistent snapshot, read only",
    "mariadb": "start transaction with consistent snapshot, read only",
    "sqlite": "pragma query_only = on",
}
"""Elsewhere the account decides what it may do; nothing is ever committed anyway."""


class Row(NamedTuple):
    """A row of the database: its cells as text, its place in the order, and what tells it from every other row.

    `cursor`: None if it has a place that cannot be kept. `unreadable`: columns whose values Python cannot hold.
    """

    cells: dict[str, str]
    cursor: Cursor | None
    key: bytes
    unreadable: tuple[str, ...] = ()


class Query:
    """A query of somebody else's database. Raises CannotImportError, here and later, if it cannot be asked as it stands."""

    def __init__(self, url: str, query: str, cursor: str) -> None:
        if not _COLUMN.fullmatch(cursor):
            raise CannotImportError(f"--cursor {cursor}: give the plain name of a column of the query")
        self._engine, self.cursor = _engine(url), cursor
        self._query = query.strip().rstrip(";")
        self.name = self._engine.url.render_as_string(hide_password=True) + f" {cursor}"

    @contextmanager
    def snapshot(self) -> Iterator["Snapshot"]:
        """A read-only transaction, rolled back at the end. Raises SourceAwayError."""
        with _sentences(), self._engine.connect() as connection:
            if statement := _READ_ONLY.get(self._engine.dialect.name):
                connection.exec_driver_sql(statement)
            try:
                yield Snapshot(connection, self._query, self.cursor)
            finally:
                connection.rollback()


class Snapshot:
    """What the database holds at one moment."""

    def __init__(self, connection: Connection, query: str, cursor: str) -> None:
        self._connection, self._cursor = connection, cursor
        self._from = f"from (\n{_as_it_stands(query)}\n) q where q.{cursor}"

    def rows(self, since: Cursor | None) -> Generator[Row, None, None]:
        """The rows from this cursor value on, with it; None: all that have one. Reads as it goes."""
        asked = f"select * {self._from} {'>= :since' if since else 'is not null'} order by q.{self._cursor}"
        streamed = self._connection.execution_options(stream_results=True, max_row_buffer=ROWS_A_FETCH)
        with streamed.execute(text(asked), {"since": since.asked()} if since else {}) as found:
            names = _names(list(found.keys()), self._cursor)
            for values in _fetched(found):
                row = _row(dict(zip(names, values, strict=True)), self._cursor)
                if since and row.cursor and row.cursor.type is not since.type:
                    raise CannotImportError(
                        f"the cursor column was a {since.type} and is a {row.cursor.type} now: see docs/imports.md"
                    )
                yield row

    def without_cursor(self) -> int:
        """How many rows have no cursor value: they are never read."""
        found = self._connection.execute(text(f"select count(*) {self._from} is null"))
        return int(found.scalar_one())


def _fetched(found: Iterable[Any]) -> Iterator[Any]:
    try:
        yield from found
    except (ValueError, OverflowError) as error:
        raise CannotImportError(
            f"the database's driver cannot read a value of the query ({type(error).__name__}): let the query give the column as text"
        ) from None


def _row(values: dict[str, Any], cursor: str) -> Row:
    cells = {name: _text(value) for name, value in values.items()}
    place = cursor_of(values[cursor])
    unreadable = [name for name, value in values.items() if isinstance(value, Unreadable)]
    if place is None and cursor not in unreadable:
        unreadable.append(cursor)
    return Row(cells, place, _key(cells), tuple(unreadable))


def query_in(file: Path) -> str:
    """The text of a query file. Raises CannotImportError."""
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise CannotImportError(f"{file} is not in UTF-8") from None


def _engine(url: str) -> Engine:
    try:
        made = make_url(url)
        made = made.set(drivername=_OUR_DRIVER.get(made.drivername, made.drivername))
        if made.get_backend_name() == "sqlite" and not Path(made.database or "").is_file():
            raise CannotImportError("--url: there is no such SQLite file")
        engine = create_engine(made, poolclass=NullPool, hide_parameters=True)
    except (ArgumentError, NoSuchModuleError, ImportError) as error:
        raise CannotImportError(
            f"--url: no database can be reached by it ({type(error).__name__}): SQLAlchemy's form is "
            "driver://user:password@host/name, and the driver must be installed"
        ) from None
    keep_unreadable(engine)
    return engine


@contextmanager
def _sentences() -> Iterator[None]:
    """What the database says of the connection or the query is told; what it says of values may be a citizen's."""
    try:
        yield
    except (OperationalError, InterfaceError) as error:
        raise SourceAwayError(f"the database says: {_said(error.orig)}") from None
    except ProgrammingError as error:
        raise CannotImportError(f"the database does not take the query: {_said(error.orig)}") from None
    except SQLAlchemyError as error:
        raise CannotImportError(f"the query cannot be read ({type(error).__name__})") from None


def _as_it_stands(query: str) -> str:
    r"""No colon of the query begins a parameter of ours: text() takes `\:` for a colon, and a name after `:` for a parameter."""
    return query.replace(":", r"\:")


def _said(error: BaseException | None) -> str:
    return str(error).strip().partition("\n")[0]


def _names(names: list[str], cursor: str) -> list[str]:
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise CannotImportError(f"the query has more than one column {', '.join(twice)}: rename one")
    if cursor not in names:
        raise CannotImportError(f"the query has no column {cursor}: it has {', '.join(names)}")
    return names


def _key(cells: dict[str, str]) -> bytes:
    return blake2b("\x1f".join(cells.values()).encode(), digest_size=16).digest()


def _text(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case bytes() | memoryview():
            return bytes(value).hex()
        case _:
            return str(value)
