"""A backup taken while everything runs is restored, and catches up with the log by itself."""

import subprocess

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from deploy.embedded.postgres import BIN
from pipeline.ledger.verify import verify
from tests.harness import System, case, review
from tests.wait import wait_for

pytestmark = pytest.mark.system


def talk(system: System, first: int, n: int) -> None:
    for i in range(first, first + n):
        system.send(case(f"A{i}"), review(f"A{i}", 1 + i % 5))


def tool(name: str, url: str, *words: str) -> None:
    subprocess.run([str(BIN / name), "--dbname", url, *words], check=True, timeout=120)


def administer(system: System, command: str) -> None:
    with system.ledger.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(command))


def test_a_dump_of_the_running_database_catches_up_after_it_is_restored(system: System) -> None:
    url = system.settings.database.url.get_secret_value()
    restored_url, dump = f"{url}_restored", system.folder / "hcp.dump"
    with system.worker():
        talk(system, 0, 40)
        wait_for(lambda: system.one("select count(*) from service") > 20, 40, "some of it")
        tool("pg_dump", url, "--format=custom", f"--file={dump}")
        talk(system, 40, 20)
        system.wait_until_caught_up()
    try:
        administer(system, f"create database {restored_url.rsplit('/', 1)[1]}")
        tool("pg_restore", restored_url, str(dump))
        database = system.settings.database.model_copy(update={"url": SecretStr(restored_url)})
        restored = System(system.settings.model_copy(update={"database": database}), system.folder)
        assert 20 < restored.one("select count(*) from service") <= 40
        with restored.worker():
            restored.wait_until_caught_up()
        assert restored.counters("services", "matched") == {"services": 60, "matched": 60}
        assert restored.fates() == {"stored": 120}
        assert [str(finding) for finding in verify(restored.settings)] == []
        restored.close()
    finally:
        administer(system, f"drop database if exists {restored_url.rsplit('/', 1)[1]} with (force)")
