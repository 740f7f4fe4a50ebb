"""Where a soak happens: servers of its own, a worker, a gateway that can be killed, a simulated county as the load."""

import os
import signal
import subprocess
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Self

from deploy.embedded.jars import fetch_jars
from deploy.embedded.kafka import Kafka
from deploy.embedded.postgres import Postgres
from pipeline import log
from pipeline.ledger.migrate import upgrade
from pipeline.rules.policy import COUNTY_ZONE
from pipeline.settings import Settings
from producers.simulation.miniature import Miniature
from producers.simulator.run import Order, run
from producers.simulator.tally import Tally
from tests.conftest import CACHE, MONTHS, PASSWORD, SEAL_KEY
from tests.gateway import GatewayProcess
from tests.harness import System
from tests.wait import wait_for

MONDAY = datetime(2026, 3, 2, tzinfo=COUNTY_ZONE)
COUNTY = Miniature(seed=1, began=MONDAY, days=200, bad=0.05)
"""More than any soak sends: at 100 events a second it takes an hour."""


class Ground:
    """A context: everything runs inside, nothing is left of it. `twin`: code that breaks the gateway."""

    def __init__(self, folder: Path, twin: str = "") -> None:
        self._folder, self._twin = folder, twin
        self._kafka = Kafka(folder / "kafka", CACHE)
        self._postgres = Postgres(folder / "postgres", PASSWORD)
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._start_servers(stack)
            upgrade(self.settings.database)
            log.declare_topics(self.settings.kafka)
            self.system = System(self.settings, self._folder)
            stack.callback(self.system.close)
            self.gateway = GatewayProcess(self.settings, self._folder, self._twin)
            stack.callback(self.gateway.stop)
            self.gateway.start()
            self._people = stack.enter_context(ThreadPoolExecutor(1))
            self._stack = stack.pop_all()
        self._worker = self._start_worker()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _start_servers(self, stack: ExitStack) -> None:
        fetch_jars(CACHE)
        for server in (self._kafka, self._postgres):
            server.start()
            stack.callback(server.stop)
        wait_for(self._kafka.ready, 90, "Kafka")
        wait_for(self._postgres.ready, 90, "PostgreSQL")
        self.settings = Settings.model_validate(
            {
                "kafka": {"bootstrap_servers": self._kafka.bootstrap_servers, "topic_prefix": "soak."},
                "database": {"url": self._postgres.url},
                "seal": {"current": "test", "keys": {"test": SEAL_KEY}, "months": MONTHS},
                "worker": {"group": "soak", "watch_seconds": 2, "sweep_seconds": 5},
            }
        )

    def _start_worker(self) -> "subprocess.Popen[bytes]":
        return self._stack.enter_context(self.system.worker())

    def load(self, pace: float, seconds: float) -> "Future[Tally]":
        """The county begins to send, for so long."""
        order = Order(COUNTY, self.gateway.url, pace=pace, seconds=seconds)
        return self._people.submit(run, self.settings, order)

    def end_kafka(self) -> None:
        """SIGKILL."""
        child = self._kafka.child
        if child and child.pid:
            os.kill(child.pid, signal.SIGKILL)
            child.stop(10)

    def bring_kafka_back(self) -> None:
        """As `hcp up` does; and the worker, if it ended meanwhile. Blocks until it answers."""
        self._kafka.start()
        wait_for(self._kafka.ready, 90, "Kafka, back again")
        if self._worker.poll() is not None:
            self._worker = self._start_worker()

    def kill_gateway(self) -> None:
        """SIGKILL, and a new start a moment later."""
        self.gateway.kill()
        time.sleep(0.5)
        self.gateway.start()
