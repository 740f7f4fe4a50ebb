"""Values that Python cannot hold, or that are no text: kept as they are written, so that one does not end the whole query."""

from typing import Any

from sqlalchemy import Engine, event


class Unreadable(str):
    """A value as the database writes it: a year beyond 9999 or before 1, infinity, text that is not in UTF-8."""

    __slots__ = ()


def keep_unreadable(engine: Engine) -> None:
    """Connections of this engine give Unreadable where their driver would raise. Known are psycopg2 and SQLite."""
    prepare = {"psycopg2": _postgresql, "pysqlite": _sqlite}.get(engine.driver)
    if prepare is not None:
        event.listen(engine, "connect", prepare)


def _sqlite(connection: Any, _: object) -> None:
    connection.text_factory = _text


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return Unreadable(raw.decode(errors="replace"))


def _postgresql(connection: Any, _: object) -> None:
    from psycopg2 import extensions as types

    for name in ("DATE", "TIME", "DATETIME", "DATETIMETZ", "INTERVAL"):
        for known in (getattr(types, f"PY{name}"), getattr(types, f"PY{name}ARRAY")):
            types.register_type(types.new_type(known.values, name, _lenient(known)), connection)


def _lenient(known: Any) -> Any:
    def cast(value: str | None, cursor: Any) -> Any:
        if value is not None and "infinity" in value:
            return Unreadable(value)  # the driver takes it for the year 9999
        try:
            return known(value, cursor)
        except (ValueError, OverflowError):
            return Unreadable(value)

    return cast
