"""Bulk writes: COPY of new rows straight into a table, UPDATE from arrays of columns.

Stored text holds no control character but the line feed (`schemas.reading.clean_text`), so two of them serve as
delimiter and null mark, and only backslash and line feed need escaping.
"""

import io
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from psycopg2.extensions import cursor as Cursor
from sqlalchemy import Table
from sqlalchemy.dialects import postgresql

DELIMITER = "\x02"
NULL = "\x01"
COPY_BYTES = 1 << 22
"""Read at once: each read may have to wait for the interpreter."""
_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy's dialects are untyped


def text(value: str) -> str:
    """A text field of a COPY row."""
    if "\\" in value or "\n" in value:
        return value.replace("\\", "\\\\").replace("\n", "\\n")
    return value


def array(values: Iterable[str]) -> str:
    """An array literal of texts, unescaped for COPY."""
    return (
        "{" + ",".join('"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"' for value in values) + "}"
    )


def literal(value: Any) -> str | None:
    """A value in PostgreSQL's text form; None for null."""
    match value:
        case None | str():
            return value
        case bool():
            return "t" if value else "f"
        case bytes():
            return "\\x" + value.hex()
        case datetime() | date():
            return value.isoformat()
        case list() | tuple():
            return array(value)
        case int() | UUID():
            return str(value)
        case _:
            raise TypeError(f"no text form for {type(value).__name__}")


def row(values: Iterable[Any]) -> str:
    """One COPY row of any values; the slow and general way."""
    return DELIMITER.join(NULL if (field := literal(value)) is None else text(field) for value in values)


def copy_rows(cursor: Cursor, table: Table, columns: Sequence[str], rows: Sequence[str]) -> None:
    """Insert these rows, each a line made by `row` or alike. Blocks. Raises psycopg2 errors, UniqueViolation among them."""
    if not rows:
        return
    names = ", ".join(f'"{column}"' for column in columns)
    cursor.copy_expert(
        f"copy {table.name} ({names}) from stdin (delimiter E'\\x02', null E'\\x01')",
        io.StringIO("\n".join(rows) + "\n"),
        size=COPY_BYTES,
    )


def insert(cursor: Cursor, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """COPY of rows given as mappings, all with the same columns."""
    if rows:
        copy_rows(cursor, table, list(rows[0]), [row(values.values()) for values in rows])


def update(cursor: Cursor, table: Table, keys: Sequence[str], rows: Sequence[dict[str, Any]]) -> None:
    """Set the columns of these rows that are no `keys`, where all `keys` agree. Blocks. Raises psycopg2 errors."""
    if not rows:
        return
    columns = list(rows[0])
    assignments = ", ".join(f'"{c}" = v."{c}"::{_type(table, c)}' for c in columns if c not in keys)
    agree = " and ".join(f't."{c}" = v."{c}"::{_type(table, c)}' for c in keys)
    cursor.execute(
        f"update {table.name} t set {assignments} from {_columns(columns)} where {agree}",
        _arrays(columns, rows),
    )


def upsert_sums(cursor: Cursor, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Add the columns of these rows to those under the same primary key. Rows in key order, so workers do not deadlock."""
    if not rows:
        return
    columns, keys = list(rows[0]), [column.name for column in table.primary_key]
    sums = ", ".join(f'"{c}" = t."{c}" + excluded."{c}"' for c in columns if c not in keys)
    values = ", ".join(f'v."{c}"::{_type(table, c)}' for c in columns)
    names = ", ".join(f'"{c}"' for c in columns)
    cursor.execute(
        f"insert into {table.name} as t ({names}) select {values} from {_columns(columns)}"
        f" on conflict ({', '.join(keys)}) do update set {sums}",
        _arrays(columns, rows),
    )


def _columns(columns: Sequence[str]) -> str:
    arrays = ", ".join(["%s::text[]"] * len(columns))
    names = ", ".join(f'"{column}"' for column in columns)
    return f"unnest({arrays}) as v ({names})"


def _arrays(columns: Sequence[str], rows: Sequence[dict[str, Any]]) -> list[list[str | None]]:
    return [[literal(values[column]) for values in rows] for column in columns]


def _type(table: Table, column: str) -> str:
    return str(table.c[column].type.compile(_DIALECT))
