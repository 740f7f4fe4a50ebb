"""One real Kafka and one real PostgreSQL a session; fresh topics and a fresh database for each test."""

import atexit
import itertools
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import hypothesis
import psycopg2
import pytest
from psycopg2.errors import InsufficientPrivilege
from psycopg2.extensions import connection as Connection

from deploy.embedded.jars import fetch_jars
from deploy.embedded.kafka import Kafka
from deploy.embedded.postgres import Postgres
from pipeline.edge import Edge
from pipeline.ledger.migrate import upgrade
from pipeline.log import declare_topics
from pipeline.seal_keys import Seal
from pipeline.settings import Settings
from tests.harness import System
from tests.wait import wait_for

PASSWORD = "only-for-tests-7f3a"
CACHE = Path(os.environ.get("HCP_STACK__DATA_DIR", ".hcp")) / "kafka" / "libs"
SEAL_KEY = "3m+I8hbn2zcd0WzlHK0qJcaNSqJ0pBgT7b8rQ0oH5hM="
"""A key like any other: what looks like a sequence is refused."""
MONTHS = Path(tempfile.mkdtemp(prefix="hcp-months-"))
"""For the keys of the months, where a test has no folder of its own."""
atexit.register(shutil.rmtree, MONTHS, ignore_errors=True)
EDGE = Edge(Seal.model_validate({"current": "test", "keys": {"test": SEAL_KEY}}))
"""Signs records as the producers do whose settings are a test's."""
_number = itertools.count(1)
hypothesis.settings.register_profile(
    "noisy", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("noisy")
"""Two processes share two cores with the servers: how long an example takes says nothing about it."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow files first: two processes that share the files out end together then, not minutes apart."""
    items.sort(key=lambda item: item.get_closest_marker("system") is None)


@pytest.fixture(scope="session", autouse=True)
def clean_environment() -> Iterator[None]:
    """No setting of the outside reaches a test, and a JVM that lives for a minute optimises nothing: half of its work, else."""
    patch = pytest.MonkeyPatch()
    for name in [name for name in os.environ if name.startswith("HCP_")]:
        patch.delenv(name)
    patch.setenv("JAVA_TOOL_OPTIONS", "-XX:TieredStopAtLevel=1")
    yield
    patch.undo()


@pytest.fixture(scope="session")
def servers() -> Iterator[Path]:
    """A folder for the session's servers."""
    with tempfile.TemporaryDirectory(prefix="hcp-test-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def kafka(servers: Path, pytestconfig: pytest.Config) -> Iterator[Kafka]:
    """The session's broker.

    A client of kafka-python that is closed while it connects leaves that socket to the garbage collector, whose warning then
    reaches whatever test is running: of this broker's it is no error.
    """
    fetch_jars(CACHE)
    broker = Kafka(servers / "kafka", CACHE)
    broker.start()
    wait_for(broker.ready, 60, "Kafka")
    host, _, port = broker.bootstrap_servers.rpartition(":")
    unclosed = rf"unclosed <socket\.socket .*raddr=\('{re.escape(host)}', {port}\)>"
    pytestconfig.addinivalue_line("filterwarnings", f"ignore:{unclosed}:ResourceWarning")
    yield broker
    broker.stop()


@pytest.fixture(scope="session")
def postgres(servers: Path) -> Iterator[Postgres]:
    """The session's database server, with a migrated database to copy."""
    server = Postgres(servers / "postgres", PASSWORD)
    server.start()
    wait_for(server.ready, 60, "PostgreSQL")
    upgrade(Settings.model_validate({"database": {"url": server.url}}).database)
    yield server
    server.stop()


def settings_for(url: str, number: int, bootstrap: str = "") -> Settings:
    """A test's settings."""
    return Settings.model_validate(
        {
            "kafka": {"bootstrap_servers": bootstrap, "topic_prefix": f"t{number}."},
            "database": {"url": url},
            "seal": {"current": "test", "keys": {"test": SEAL_KEY}, "months": MONTHS / f"t{number}"},
            "worker": {"group": f"g{number}", "watch_seconds": 1, "sweep_seconds": 1},
            "web": {"desk_port": 0, "exporter_port": 0},
            "gateway": {"port": 0},
        }
    )


@contextmanager
def fresh_ledger(postgres: Postgres) -> Iterator[Settings]:
    """Settings with a fresh, migrated database, which is dropped at the end: the server may have been killed meanwhile."""
    number = next(_number)
    server = postgres.url.rsplit("/", 1)[0]
    with _administering(server) as admin:
        admin.cursor().execute(f"create database t{number} template hcp")
    try:
        yield settings_for(f"{server}/t{number}", number)
    finally:
        with _administering(server) as admin:
            wait_for(lambda: _dropped(admin, f"t{number}"), 20, "nobody but autovacuum to be in the database")


@contextmanager
def _administering(server: str) -> Iterator[Connection]:
    with closing(psycopg2.connect(f"{server}/postgres")) as admin:
        admin.autocommit = True
        yield admin


@pytest.fixture
def ledger(postgres: Postgres, tmp_path: Path) -> Iterator[Settings]:
    """A fresh, migrated database; and a folder for a gateway's spool."""
    with fresh_ledger(postgres) as settings:
        settings.gateway.spool_dir = tmp_path / "spool"
        yield settings


def _dropped(admin: Connection, database: str) -> bool:
    """Autovacuum's processes are not ours to end; they leave by themselves."""
    try:
        with admin.cursor() as cursor:
            cursor.execute(f"drop database {database} with (force)")
    except InsufficientPrivilege:
        return False
    return True


@pytest.fixture
def stack(ledger: Settings, kafka: Kafka) -> Settings:
    """A fresh database and fresh topics."""
    return with_topics(ledger, kafka)


def with_topics(settings: Settings, kafka: Kafka) -> Settings:
    """The same settings, their topics declared on this broker."""
    settings.kafka.bootstrap_servers = kafka.bootstrap_servers
    declare_topics(settings.kafka)
    return settings


@pytest.fixture
def system(stack: Settings, tmp_path: Path) -> Iterator[System]:
    """A stack, and hands to work with it."""
    made = System(stack, tmp_path)
    yield made
    made.close()
