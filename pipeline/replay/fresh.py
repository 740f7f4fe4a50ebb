"""The fresh schema of a replay: the ledger's tables as the migrations left them, empty; and its positions."""

from collections.abc import Iterable

from psycopg2.extensions import cursor as Cursor
from sqlalchemy import Connection, text

from pipeline.ledger import tables
from pipeline.replay.spans import Span


def make(connection: Connection, schema: str) -> None:
    """Create the schema and its tables, as `pipeline.ledger.tables` says; a test holds that the migrations say the same."""
    connection.execute(text(f"create schema {schema}"))
    connection.execute(text(f"set local search_path = {schema}"))
    tables.ledger.create_all(connection, checkfirst=False)


def begin(cursor: Cursor, spans: Iterable[Span]) -> list[Span]:
    """What is left of these spans of one round; those never begun get a position, and the topic before them retires."""
    return [
        span._replace(start=max(span.start, _position(cursor, span) or _follow(cursor, span)))
        for span in spans
    ]


def _position(cursor: Cursor, span: Span) -> int | None:
    cursor.execute(
        "select next_offset from stream_position where topic = %s and partition = %s and topic_id = %s",
        span[1:4],
    )
    row = cursor.fetchone()
    return None if row is None else int(row[0])


def _follow(cursor: Cursor, span: Span) -> int:
    cursor.execute(
        "update stream_position set retired_at = %s where topic = %s and partition = %s and retired_at is null"
        " and topic_id <> %s",
        [span.begun_at, *span[1:4]],
    )
    cursor.execute(
        "insert into stream_position (topic, partition, topic_id, first_offset, next_offset)"
        " values (%s, %s, %s, %s, %s) on conflict do nothing",
        [*span[1:4], span.start, span.start],
    )
    return span.start
