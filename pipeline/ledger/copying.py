"""Bulk writes: COPY of new rows straight into a table, UPDATE from a list of rows. Both speak JSON, which msgspec writes fast.

A row's JSON array without its brackets is a line of CSV whose escape character is the backslash, but for the escaped line
feed. Stored text holds no other control character (`schemas.reading.clean_text`), so no other escape occurs.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache, lru_cache
from itertools import chain, islice
from typing import Any

import msgspec
import psycopg2
from psycopg2.extensions import cursor as Cursor
from sqlalchemy import Table
from sqlalchemy.dialects import postgresql

Row = tuple[Any, ...]
"""Values in the order of some columns: text, numbers, booleans, times, UUIDs, None; arrays as `array`, bytes as `binary` says."""
ROWS_A_CHUNK = 1_000
"""Sent at once, about 400 KB: while PostgreSQL takes a chunk in, the next one is made."""
LARGE_ROWS_A_CHUNK = 20
"""Of rows that may hold a dead letter: 1.4 MB each at most, as a literal."""
_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy's dialects are untyped
_ESCAPED = re.compile(rb"\\.")
_BACKSLASH = 0x5C
_PLAIN = re.compile(r"(?!null$)[0-9a-z_]+", re.IGNORECASE)
"""What an array literal may hold without quotes."""
_encode = msgspec.json.Encoder().encode


@lru_cache(maxsize=4096)
def array(values: tuple[str, ...]) -> str:
    """An array literal of texts, which are flags or codes: there are few of them."""
    return "{" + ",".join(map(_element, values)) + "}"


def _element(value: str) -> str:
    """Without quotes where it may be: then `lines` has nothing to look for."""
    if _PLAIN.fullmatch(value):
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def binary(value: bytes) -> str:
    """A literal of bytes."""
    return "\\x" + value.hex()


def lines(rows: Iterable[Row]) -> bytes:
    """One row or more as the CSV that `copy_rows` sends, without the last line feed."""
    text = b"\n".join(
        [_encode(row)[1:-1] for row in rows]
    )  # a third of the time of encoding them all at once
    if _BACKSLASH in text and b"\\n" in text:
        return _ESCAPED.sub(lambda escaped: b"\n" if escaped[0] == b"\\n" else escaped[0], text)
    return text


class _Chunks:
    """A file of rows that are made as it is read. Remembers what went wrong: psycopg2 tells only that something did."""

    def __init__(self, rows: Iterator[Row], rows_a_chunk: int) -> None:
        self._rows, self._most = rows, rows_a_chunk
        self.error: Exception | None = None

    def read(self, _size: int) -> bytes:
        """The next chunk, empty at the end."""
        try:
            rows = list(islice(self._rows, self._most))
            return lines(rows) + b"\n" if rows else b""
        except Exception as error:
            self.error = error
            raise


def copy_rows(
    cursor: Cursor,
    table: Table,
    columns: Sequence[str],
    rows: Iterable[Row],
    rows_a_chunk: int = ROWS_A_CHUNK,
) -> None:
    """Insert these rows, made as they are sent. Blocks. Raises psycopg2 errors, UniqueViolation among them, and what
    making a row raises.
    """
    left = iter(rows)
    first = next(left, None)
    if first is None:
        return
    names = ", ".join(f'"{column}"' for column in columns)
    chunks = _Chunks(chain([first], left), rows_a_chunk)
    try:
        cursor.copy_expert(
            f"copy {table.name} ({names}) from stdin (format csv, null 'null', escape '\\')",
            chunks,  # type: ignore[arg-type]  # psycopg2 reads, and never by lines
        )
    except psycopg2.Error:
        if chunks.error is not None:
            raise chunks.error from None
        raise


def insert(cursor: Cursor, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """COPY of rows given as mappings, all with the same columns; their values need not be literals yet."""
    if rows:
        literals = (tuple(map(_literal, row.values())) for row in rows)
        copy_rows(cursor, table, list(rows[0]), literals, LARGE_ROWS_A_CHUNK)


def _literal(value: Any) -> Any:
    if isinstance(value, bytes):
        return binary(value)
    if isinstance(value, (list, tuple)):
        return array(tuple(value))
    return value


def update(cursor: Cursor, table: Table, keys: Sequence[str], rows: Sequence[dict[str, Any]]) -> None:
    """Set the columns of these rows that are no `keys`, where all `keys` agree. Blocks. Raises psycopg2 errors."""
    if rows:
        cursor.execute(_update(table, tuple(rows[0]), tuple(keys)), [_encode(rows).decode()])


def upsert_sums(cursor: Cursor, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Add the columns of these rows to those under the same primary key. Rows in key order, so workers do not deadlock."""
    if rows:
        cursor.execute(_upsert(table, tuple(rows[0])), [_encode(rows).decode()])


@cache
def _update(table: Table, columns: tuple[str, ...], keys: tuple[str, ...]) -> str:
    assignments = ", ".join(f'"{c}" = v."{c}"' for c in columns if c not in keys)
    agree = " and ".join(f't."{c}" = v."{c}"' for c in keys)
    return f"update {table.name} t set {assignments} from {_recordset(table, columns)} where {agree}"


@cache
def _upsert(table: Table, columns: tuple[str, ...]) -> str:
    keys = [column.name for column in table.primary_key]
    names = ", ".join(f'"{c}"' for c in columns)
    sums = ", ".join(f'"{c}" = t."{c}" + excluded."{c}"' for c in columns if c not in keys)
    return (
        f"insert into {table.name} as t ({names}) select {names} from {_recordset(table, columns)}"
        f" on conflict ({', '.join(keys)}) do update set {sums}"
    )


def _recordset(table: Table, columns: Iterable[str]) -> str:
    typed = ", ".join(f'"{c}" {table.c[c].type.compile(_DIALECT)}' for c in columns)
    return f"json_to_recordset(%s) as v ({typed})"
