"""What a failed transaction means: try again now, try again later, take it record by record, or stop."""

import re
from enum import StrEnum

import psycopg2
from psycopg2 import errorcodes


class Failure(StrEnum):
    """The whole tree of errors."""

    RETRY_NOW = "retry_now"
    """Another worker was there at the same moment."""
    RETRY_LATER = "retry_later"
    """The database is away, full or too busy."""
    RECORDS = "records"
    """One of the records cannot be folded: take them one by one."""
    STOP = "stop"
    """Nothing that a record is to blame for: schema, rights, a defect. Folding on would bury good records."""


class Stop(Exception):
    """The worker cannot go on until a person has acted; the message says what to do."""


_NOW = frozenset(
    {
        errorcodes.SERIALIZATION_FAILURE,
        errorcodes.DEADLOCK_DETECTED,
        errorcodes.LOCK_NOT_AVAILABLE,
        errorcodes.UNIQUE_VIOLATION,
    }
)
_LATER_CLASSES = frozenset({"08", "53", "57", "58", "25"})
_RECORD_CLASSES = frozenset({"22", "23", "21"})


_OF_DATA = "22"
"""The class of errors whose first line quotes a value; that of others quotes names of tables, columns, constraints."""
_QUOTED = re.compile(r'".*"|: .*')


def without_values(error: psycopg2.Error) -> None:
    """Cut an error's text down to its first line: the others show the row, or the statement with its values."""
    said = str(error).strip().partition("\n")[0]
    if error.pgcode is not None:
        error.args = (_QUOTED.sub("…", said) if error.pgcode.startswith(_OF_DATA) else said,)


def classify(error: Exception) -> Failure:
    """What to do about this error of a transaction."""
    if not isinstance(error, psycopg2.Error):
        return Failure.RECORDS
    state = error.pgcode or ""
    if state in _NOW:
        return Failure.RETRY_NOW
    if state[:2] in _LATER_CLASSES or (
        not state and isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError)
    ):
        return Failure.RETRY_LATER
    return Failure.RECORDS if state[:2] in _RECORD_CLASSES else Failure.STOP
