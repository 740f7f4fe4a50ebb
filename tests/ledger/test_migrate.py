"""Migrations: up, down, up; what they make is what the tables say; twice at once is once."""

import threading
from datetime import timedelta

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text

from pipeline.ledger import office_tables, tables
from pipeline.ledger.engine import engine
from pipeline.ledger.migrate import downgrade, upgrade
from pipeline.replay.fresh import make
from pipeline.settings import Settings

pytestmark = pytest.mark.system
BEFORE_SIGNATURE_VERSION = "0014"


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
        found += compare_metadata(offices, office_tables.office)
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


def storage(connection: Connection, schema: str) -> tuple[dict[str, str], dict[str, list[str]]]:
    """Its indexes, and how tables and indexes are stored where it is not the usual."""
    indexes = (
        "select indexname, replace(indexdef, schemaname || '.', '') from pg_indexes where schemaname = :s"
    )
    options = "select relname, reloptions from pg_class where reloptions is not null and relnamespace = cast(:s as regnamespace)"
    return (
        {row[0]: row[1] for row in connection.execute(text(indexes), {"s": schema})},
        {row[0]: row[1] for row in connection.execute(text(options), {"s": schema})},
    )


def test_a_replay_stores_its_tables_as_the_migrations_do(ledger: Settings) -> None:
    pool = engine(ledger.database, "test")
    with pool.connect() as connection:
        make(connection, "beside")
        indexes, options = storage(connection, "beside")
        assert (indexes, options) == storage(connection, "ledger")
        assert set(options) == {"review", "review_event"}
    pool.dispose()


def test_up_down_up(ledger: Settings) -> None:
    assert differences(ledger) == []
    downgrade(ledger.database, "base")
    assert relations(ledger) == 0
    upgrade(ledger.database)
    assert differences(ledger) == []
    assert relations(ledger) == len(tables.ledger.tables) + len(office_tables.office.tables)


def test_devices_that_are_there_may_sign_with_version_1_for_90_days(ledger: Settings) -> None:
    add = text("insert into office.device (device_id, kind, channels) values (:name, 'system', '{}')")
    days = text("select device_id, version_1_until - now() from office.device")
    downgrade(ledger.database, BEFORE_SIGNATURE_VERSION)
    pool = engine(ledger.database, "test")
    with pool.begin() as connection:
        connection.execute(add, {"name": "old"})
    upgrade(ledger.database)
    with pool.begin() as connection:
        connection.execute(add, {"name": "new"})
        left = {row[0]: row[1] for row in connection.execute(days)}
    pool.dispose()
    assert left["new"] is None
    assert timedelta(days=89) < left["old"] <= timedelta(days=90)


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
