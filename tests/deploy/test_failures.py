"""Expected errors are one sentence; a defect keeps its traceback."""

import errno
from datetime import UTC, datetime

import psycopg2
import pytest
from kafka.errors import KafkaConnectionError
from pydantic import ValidationError
from sqlalchemy.exc import OperationalError

from deploy.errors import StackError
from deploy.failures import sentence
from pipeline.ledger.failures import Stop
from pipeline.month_keys import Destroyed, KeyRingError
from pipeline.sealing import KeyDestroyed
from pipeline.settings import NotConfiguredError, Settings
from producers.errors import CannotImportError, NotPublishedError

AT = datetime(2029, 12, 2, tzinfo=UTC)


def wrong_setting() -> Exception:
    try:
        Settings.model_validate({"worker": {"slots": 0}})
    except ValidationError as error:
        return error
    raise AssertionError


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (StackError("port taken"), "port taken"),
        (CannotImportError("no such source"), "no such source"),
        (NotPublishedError("not acknowledged"), "not acknowledged"),
        (NotConfiguredError("no database: set HCP_DATABASE__URL"), "no database: set HCP_DATABASE__URL"),
        (Stop("no slot"), "no slot"),
        (KeyRingError("the folder is not there"), "the folder is not there"),
        (
            KeyDestroyed(202611, Destroyed(AT, "li", "why")),
            "the key of 2026-11 was destroyed on 2029-12-02 by li: why",
        ),
        (wrong_setting(), "HCP_WORKER__SLOTS: Input should be greater than or equal to 1"),
        (OSError(errno.ENOSPC, "full", "/data"), "/data: the disk is full: make room"),
        (KafkaConnectionError(), "Kafka (HCP_KAFKA__BOOTSTRAP_SERVERS)"),
        (
            OperationalError("select 1", {}, psycopg2.OperationalError("refused")),
            "the database (HCP_DATABASE__URL)",
        ),
        (
            psycopg2.OperationalError("refused\nis it up?"),
            "the database (HCP_DATABASE__URL) does not answer: refused;",
        ),
        (KeyError("a defect"), None),
    ],
)
def test_sentences(error: Exception, said: str | None) -> None:
    got = sentence(error)
    assert got == said if said is None else got is not None and got.startswith(said)
