"""Servers of its own for the long form: a broker, a migrated ledger."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from deploy.embedded.jars import fetch_jars
from deploy.embedded.kafka import Kafka
from deploy.embedded.postgres import Postgres
from pipeline.ledger.migrate import upgrade
from pipeline.log import declare_topics
from tests.conftest import CACHE, PASSWORD, settings_for
from tests.harness import System
from tests.wait import wait_for


@contextmanager
def ground(folder: Path) -> Iterator[System]:
    """They run inside, nothing is left of them. Blocks for about 15 s."""
    fetch_jars(CACHE)
    kafka, postgres = Kafka(folder / "kafka", CACHE), Postgres(folder / "postgres", PASSWORD)
    with ExitStack() as stack:
        for server in (kafka, postgres):
            server.start()
            stack.callback(server.stop)
        wait_for(kafka.ready, 90, "Kafka")
        wait_for(postgres.ready, 90, "PostgreSQL")
        settings = settings_for(postgres.url, 1, kafka.bootstrap_servers)
        upgrade(settings.database)
        declare_topics(settings.kafka)
        system = System(settings, folder)
        stack.callback(system.close)
        yield system
