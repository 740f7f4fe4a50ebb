"""One folder's stack, composed: which services there are, in which order, with which settings."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from deploy import credentials, envfile
from deploy.child import rotate
from deploy.embedded import ports
from deploy.embedded.kafka import Kafka
from deploy.embedded.postgres import Postgres
from deploy.keeper import Keeper
from deploy.service import Command, page_answers
from deploy.supervisor import Supervisor
from pipeline.ledger.engine import opened_engine
from pipeline.ledger.migrate import upgrade
from pipeline.log import declare_topics
from pipeline.settings import Settings, environment

KAFKA, POSTGRES, PAGES, WORKERS, PLAYER = range(5)
"""Ranks: what stands later needs what stands earlier, and stops before it."""
STOP_SECONDS = {PLAYER: 1.5, WORKERS: 5.0, PAGES: 2.0, POSTGRES: 2.5, KAFKA: 3.0}
"""14 s together: a stop takes under 15 s even if nobody listens."""
BEAT_SECONDS = 30
"""A worker beats every 5 s; a batch may keep it from that for a while."""


class Stack:
    """The services of `settings.stack.data_dir`; `settings` says where they are as soon as they are there."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings.model_copy()
        self.folder = settings.stack.data_dir
        self.supervisor = Supervisor()
        self.player: Keeper | None = None

    def claim_pages(self) -> None:
        """Choose the ports of the pages and of the gateway, and where its spool is. Raises StackError if one is taken."""
        web, gateway = self.settings.web, self.settings.gateway
        self._set(
            "web",
            desk_port=ports.claim(web.desk_port, "the desk", "HCP_WEB__DESK_PORT"),
            exporter_port=ports.claim(web.exporter_port, "the exporter", "HCP_WEB__EXPORTER_PORT"),
        )
        spool = gateway.spool_dir if "spool_dir" in gateway.model_fields_set else self.folder / "spool"
        self._set(
            "gateway",
            port=ports.claim(gateway.port, "the gateway", "HCP_GATEWAY__PORT"),
            spool_dir=spool.resolve(),
        )

    async def start_servers(self) -> None:
        """Start those that the settings do not name, and write the env file. Raises StackError."""
        given, stack = self.settings, self.settings.stack
        months = given.seal.months if "months" in given.seal.model_fields_set else self.folder / "months"
        self._set("seal", months=months.resolve())
        servers: list[Keeper] = []
        if given.database.url.get_secret_value():
            credentials.demand(given)
        else:
            servers.append(self._postgres())
        if not given.kafka.bootstrap_servers:
            kafka = self.folder / "kafka"
            log = self.log("kafka")
            broker = Kafka(
                kafka, kafka / "libs", stack.kafka_port, stack.controller_port, stack.kafka_heap, log
            )
            servers.append(_kept(broker, KAFKA))
        await self.supervisor.start(*servers)
        for server in servers:
            self._found(server.service)
        envfile.save(self.settings, self.folder)

    def _postgres(self) -> Keeper:
        kept = credentials.keep(self.folder)
        if not self.settings.seal.keys:
            self._set("seal", current=kept.seal_key_id, keys={kept.seal_key_id: SecretStr(kept.seal_key)})
        server = Postgres(
            self.folder / "postgres",
            kept.database_password,
            self.settings.stack.postgres_port,
            self.log("postgres"),
        )
        return _kept(server, POSTGRES)

    def _found(self, server: object) -> None:
        if isinstance(server, Kafka):
            self._set("kafka", bootstrap_servers=server.bootstrap_servers)
        if isinstance(server, Postgres):
            self._set("database", url=SecretStr(server.url))

    async def prepare_servers(self) -> None:
        """Topics and migrations, at once."""
        await asyncio.gather(
            asyncio.to_thread(declare_topics, self.settings.kafka),
            asyncio.to_thread(upgrade, self.settings.database),
        )

    async def start_commands(self) -> None:
        """Workers, desk, exporter and gateway. Raises StackError."""
        web = self.settings.web
        beating = partial(_workers_beat, self.settings)
        workers = [self._worker(n, health=beating) for n in range(1, self.settings.stack.workers + 1)]
        await self.supervisor.start(
            self._page("exporter", web.exporter_port, "metrics"),
            self._page("desk", web.desk_port, ""),
            self._gateway(),
            *workers,
        )

    async def start_player(self, words: Sequence[str]) -> None:
        """Play input: `hcp play` with these options. Raises StackError."""
        self.player = self._command("player", ["play", *words], PLAYER, once=True)
        await self.supervisor.start(self.player)

    def _worker(self, number: int, **about: Any) -> Keeper:
        """The n-th worker; each has a port of its own for its metrics, if they have any."""
        settings = self.settings.model_copy(deep=True)
        if settings.worker.metrics_port:
            settings.worker.metrics_port += number - 1
        name = "worker" if number == 1 else f"worker-{number}"
        return _kept(Command(name, ["worker"], environment(settings), self.log(name), **about), WORKERS)

    def _page(self, name: str, port: int, path: str) -> Keeper:
        host = self.settings.web.host
        shown = f"[{host}]" if ":" in host else host
        health = partial(page_answers, host, port)
        return self._command(name, [name], PAGES, address=f"http://{shown}:{port}/{path}", health=health)

    def _gateway(self) -> Keeper:
        """Asked on loopback, where it listens too when it listens everywhere."""
        gateway = self.settings.gateway
        host = gateway.host if gateway.host not in {"0.0.0.0", "::"} else "127.0.0.1"  # noqa: S104  not to listen on
        health = partial(page_answers, host, gateway.port)
        return self._command("gateway", ["gateway"], PAGES, address=f"{gateway.url}/", health=health)

    def _command(self, name: str, words: list[str], rank: int, *, once: bool = False, **about: Any) -> Keeper:
        return _kept(
            Command(name, words, environment(self.settings), self.log(name), **about), rank, once=once
        )

    def log(self, name: str) -> Path:
        """Where this process writes what it says."""
        return self.folder / "log" / f"{name}.log"

    def rotate_logs(self) -> None:
        """Begin those anew that have grown too large, the supervisor's own too. Blocks. A full disk: next time."""
        for log in (self.folder / "log").glob("*.log"):
            with suppress(OSError):
                rotate(log)

    def _set(self, branch: str, **values: object) -> None:
        setattr(self.settings, branch, getattr(self.settings, branch).model_copy(update=values))


def _kept(service: Kafka | Postgres | Command, rank: int, *, once: bool = False) -> Keeper:
    return Keeper(service, rank=rank, stop_seconds=STOP_SECONDS[rank], once=once)


def _workers_beat(settings: Settings) -> bool:
    """Whether as many workers as there should be have said so lately. Blocks.

    Which process has which slot is theirs to know: with several, one that is silent makes all of them look silent, and
    after a minute all start again. That costs seconds and loses nothing.
    """
    fresh = text(
        "select count(*) from office.component where name like 'worker-%' and state <> 'stopped'"
        " and at > now() - make_interval(secs => :seconds)"
    )
    try:
        with (
            opened_engine(settings.database, "supervisor", pool_size=1) as pool,
            pool.connect() as connection,
        ):
            beating = connection.scalar(fresh, {"seconds": BEAT_SECONDS})
    except DBAPIError:
        return True  # the database is away: that is not the workers' fault
    return int(beating or 0) >= settings.stack.workers
