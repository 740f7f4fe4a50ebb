"""Migrations: up, down, up; what they make is what the tables say; twice at once is once."""

import threading

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from pipeline.ledger import tables
from pipeline.ledger.engine import engine
from pipeline.ledger.migrate import downgrade, upgrade
from pipeline.settings import Settings

pytestmark = pytest.mark.system


def differences(settings: Settings) -> list[object]:
    pool = engine(settings.database, "test")
    with pool.connect() as connection:
        here = MigrationContext.configure(connection, opts={"compare_server_default": True})
        found = list(compare_metadata(here, tables.ledger))
        offices = MigrationContext.configure(
            connection,
            opts={
                "include_schemas": True,
                "include_name": lambda name, kind, _: kind != "schema" or name == "office",
                "include_object": lambda _, name, kind, *__: (kind, name) != ("table", "alembic_version"),
            },
        )
        found += compare_metadata(offices, tables.office)
    pool.dispose()
    return found


def relations(settings: Settings) -> int:
    pool = engine(settings.database, "test")
    with pool.connect() as connection:
        count = connection.scalar(
            text(
                "select count(*) from pg_tables where schemaname in ('ledger', 'office') and tablename <> 'alembic_version'"
            )
        )
    pool.dispose()
    return int(count or 0)


def test_up_down_up(ledger: Settings) -> None:
    assert differences(ledger) == []
    downgrade(ledger.database, "base")
    assert relations(ledger) == 0
    upgrade(ledger.database)
    assert differences(ledger) == []
    assert relations(ledger) == len(tables.ledger.tables) + len(tables.office.tables)


def test_two_starts_at_once_are_one_migration(ledger: Settings) -> None:
    downgrade(ledger.database, "base")
    errors: list[Exception] = []

    def run() -> None:
        try:
            upgrade(ledger.database)
        except Exception as error:  # noqa: BLE001  whatever it is, the test shows it
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
    assert differences(ledger) == []
