"""What measurements stand on: a broker and a database server of their own, topics and ledgers made fresh."""

import itertools
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import psycopg2
from rich.console import Console

from deploy.embedded.jars import fetch_jars
from deploy.embedded.kafka import Kafka
from deploy.embedded.postgres import Postgres
from pipeline.edge import Edge
from pipeline.ledger.migrate import upgrade
from pipeline.log import declare_topics
from pipeline.settings import Settings
from tests.bench.figures import Figure
from tests.bench.load import Load, Must, send
from tests.conftest import CACHE, MONTHS, PASSWORD, SEAL_KEY
from tests.harness import System
from tests.wait import wait_for


class Backlog(NamedTuple):
    """Topics under `prefix` that hold `records`, and what a right fold of them must count."""

    prefix: str
    records: int
    must: Must


@dataclass
class Stage:
    """The servers, the size of what is measured, and what has been measured so far, by name."""

    folder: Path
    kafka: Kafka
    postgres: Postgres
    events: int
    repeat: int | None
    quick: bool
    console: Console
    figures: dict[str, Figure] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def repetitions(self, usual: int) -> range:
        """How often: as the command line says, else once if it must be quick, else as is usual for this one."""
        return range(self.repeat or (1 if self.quick else usual))

    def say(self, words: str) -> None:
        """What is going on, for whoever waits."""
        self.console.print(words, style="dim", highlight=False)

    def prefix(self) -> str:
        """A prefix of topics that nobody has used."""
        return f"b{next(self._numbers)}."

    def settings(self, prefix: str, url: str = "") -> Settings:
        """Everything as it comes, but for servers, topics, group and key."""
        return Settings.model_validate(
            {
                "kafka": {"bootstrap_servers": self.kafka.bootstrap_servers, "topic_prefix": prefix},
                "database": {"url": url or self.postgres.url},
                "seal": {"current": "test", "keys": {"test": SEAL_KEY}, "months": MONTHS},
                "worker": {"group": f"bench-{next(self._numbers)}"},
            }
        )

    def load(self, events: int) -> Backlog:
        """Fill fresh topics. Blocks."""
        settings, load = self.settings(self.prefix()), Load(events)
        self.say(f"loading about {events:,} events")
        declare_topics(settings.kafka)
        return Backlog(
            settings.kafka.topic_prefix, send(settings.kafka, load, Edge(settings.seal)), load.must
        )

    @cached_property
    def backlog(self) -> Backlog:
        """The topics that all measurements of catching up read."""
        return self.load(self.events)

    @contextmanager
    def system(self, prefix: str) -> Iterator[System]:
        """A fresh ledger that knows nothing, over these topics; gone at the end."""
        name, server = f"bench_{next(self._numbers)}", self.postgres.url.rsplit("/", 1)[0]
        settings = self.settings(prefix, f"{server}/{name}")
        declare_topics(settings.kafka)
        folder = self.folder / name
        folder.mkdir()
        self._administer(f"create database {name} template hcp")
        system = System(settings, folder)
        try:
            yield system
        finally:
            system.close()
            self._administer(f"drop database {name}")  # `force` may not end an autovacuum, this may

    def _administer(self, command: str) -> None:
        admin = psycopg2.connect(self.postgres.url.rsplit("/", 1)[0] + "/postgres")
        admin.autocommit = True
        with admin.cursor() as cursor:
            cursor.execute(command)
        admin.close()


@contextmanager
def stage(events: int, repeat: int | None, console: Console, *, quick: bool) -> Iterator[Stage]:
    """Start the servers in a temporary folder; stop them at the end."""
    fetch_jars(CACHE)
    with (
        tempfile.TemporaryDirectory(prefix="hcp-bench-", ignore_cleanup_errors=True) as name,
        ExitStack() as stack,
    ):
        folder = Path(name)
        kafka, postgres = Kafka(folder / "kafka", CACHE), Postgres(folder / "postgres", PASSWORD)
        for server in (kafka, postgres):
            server.start()
            stack.callback(server.stop)
        wait_for(kafka.ready, 60, "Kafka")
        wait_for(postgres.ready, 60, "PostgreSQL")
        made = Stage(folder, kafka, postgres, events, repeat, quick, console)
        upgrade(made.settings("").database)
        yield made


Measurement = Callable[[Stage], Iterator[Figure]]
"""Measures and yields figures. Raises Wrong when what was measured is not right, so that no figure of it counts."""
