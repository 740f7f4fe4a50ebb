"""Expected errors as one sentence that says what to do; everything else is a defect and keeps its traceback."""

import errno

from pydantic import ValidationError
from pydantic_settings import SettingsError

from deploy.errors import StackError
from pipeline.settings import NotConfiguredError
from producers.errors import InputError

_DISK = {
    errno.ENOSPC: "the disk is full: make room",
    errno.EDQUOT: "the disk quota is used up: make room",
    errno.EACCES: "it may not be written or read: change its mode or owner",
    errno.EPERM: "it may not be written or read: change its mode or owner",
    errno.EROFS: "the disk is read-only: use another folder",
}


def sentence(error: BaseException) -> str | None:
    """What to tell a person; None if this error was not expected."""
    match error:
        case StackError() | SettingsError() | NotConfiguredError() | InputError():
            return str(error)
        case ValidationError():
            return "; ".join(_setting(one["loc"], one["msg"]) for one in error.errors())
        case OSError() if error.errno in _DISK:
            return f"{error.filename or 'a file'}: {_DISK[error.errno]}, or set HCP_STACK__DATA_DIR to another folder"
        case _:
            return _of_servers(error)


def _setting(place: tuple[int | str, ...], message: str) -> str:
    name = "__".join(str(part) for part in place[:2]).upper()
    return message.removeprefix("Value error, ") if "HCP_" in message else f"HCP_{name}: {message}"


def _of_servers(error: BaseException) -> str | None:
    import psycopg2
    from kafka.errors import KafkaError
    from psycopg2 import errorcodes
    from sqlalchemy.exc import DBAPIError

    from pipeline.ledger.failures import Stop
    from pipeline.month_keys import KeyRingError
    from pipeline.sealing import KeyDestroyed

    cause = error.orig if isinstance(error, DBAPIError) else error
    match cause:
        case Stop() | KeyRingError() | KeyDestroyed():
            return str(error)
        case KafkaError():
            return f"Kafka (HCP_KAFKA__BOOTSTRAP_SERVERS) does not do what it is asked: {error}; is it up? see `hcp status`"
        case psycopg2.OperationalError():
            said = str(cause).strip().partition("\n")[0]
            return f"the database (HCP_DATABASE__URL) does not answer: {said}; is it up? see `hcp status`"
        case psycopg2.ProgrammingError() if cause.pgcode in {
            errorcodes.UNDEFINED_TABLE,
            errorcodes.UNDEFINED_COLUMN,
            errorcodes.INVALID_SCHEMA_NAME,
        }:
            return "the database (HCP_DATABASE__URL) has no schema of this version: run `hcp migrate`"
        case _:
            return None
