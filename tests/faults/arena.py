"""Where faults happen: servers of its own behind proxies, two workers, a load, and what a fault may touch of them."""

import os
import shutil
import signal
import subprocess
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import psutil
from kafka.errors import KafkaError

from deploy.embedded import ports
from deploy.embedded.jars import fetch_jars
from deploy.embedded.kafka import Kafka
from deploy.embedded.postgres import Postgres
from pipeline import log
from pipeline.ledger.migrate import upgrade
from pipeline.settings import Settings
from pipeline.worker.slot import _CLASS as SLOTS
from schemas.topics import INPUTS, Stream
from tests.conftest import CACHE, MONTHS, PASSWORD, SEAL_KEY
from tests.faults.clock import Clock
from tests.faults.crew import RESTART_SECONDS, Crew
from tests.faults.disk import own_mounts, small_disk
from tests.faults.hall import Hall
from tests.faults.load import Feeder
from tests.faults.proxy import Proxy
from tests.faults.twins import Twin
from tests.faults.witness import Place, Witness
from tests.harness import System, case, review
from tests.liveness.odd import Odd
from tests.liveness.wire import produce
from tests.wait import wait_for

DISKS = {"postgres": 2 << 30, "spool": 64 << 20}
"""Bytes of memory by folder, and only what is used of them."""
RATE = 100
"""Events a second in the background: every partition gets several a second, so that its return is seen."""
BATCH_RECORDS = 200
"""Small, so that a fault meets many transactions."""


class ProxiedKafka(Kafka):
    """A broker with a second listener, whose clients are told the proxy's address."""

    def __init__(self, folder: Path, libs: Path, proxy: Proxy) -> None:
        super().__init__(folder, libs)
        self._proxy = proxy

    def _properties(self, data: str) -> str:
        inside, outside = f"127.0.0.1:{self.port}", f"127.0.0.1:{self._proxy.target}"
        return super()._properties(data) + (
            f"listeners=PLAINTEXT://{inside},PROXIED://{outside},CONTROLLER://127.0.0.1:{self.controller_port}\n"
            f"advertised.listeners=PLAINTEXT://{inside},PROXIED://127.0.0.1:{self._proxy.port}\n"
            "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT\n"
        )


class Arena:
    """`system` talks to the servers directly, the workers of `crew` and the gateway of `hall` through `to_postgres` and `to_kafka`."""

    def __init__(self, folder: Path, seed: int, twin: Twin | None = None) -> None:
        self.folder, self.seed = folder, seed
        self._code = {twin.process: twin.code} if twin else {}
        self.to_postgres, self.to_kafka = Proxy(), Proxy()
        self.postgres = Postgres(folder / "postgres", PASSWORD)
        self.kafka = ProxiedKafka(folder / "kafka", CACHE, self.to_kafka)
        self.own_disks = False
        """Whether each of `DISKS` is there, and can be filled."""
        self.restorable: dict[tuple[str, int], int] = {}
        """The positions in the backup: the log below them is not needed any more."""
        self.poisoned: set[Place] = set()
        """Where odd records lie, each of which must be a dead letter."""
        self._stack = ExitStack()

    def open(self) -> None:
        """Start everything, from the thread that stays. Blocks for about 15 s."""
        self._open_servers()
        self.settings = self._settings(self.postgres.url, self.kafka.bootstrap_servers)
        upgrade(self.settings.database)
        log.declare_topics(self.settings.kafka)
        self.system = System(self.settings, self.folder)
        self._stack.callback(self.system.close)
        outer = System(
            self._settings(
                self.postgres.url.replace(f":{self.postgres.port}/", f":{self.to_postgres.port}/"),
                f"127.0.0.1:{self.to_kafka.port}",
            ),
            self.folder,
        )
        self._stack.callback(outer.close)
        self.clock = Clock(self.folder)
        self._stack.callback(self.clock.close)
        self.crew = Crew(outer, self.clock, self._code.get("worker", ""))
        self.feeder = Feeder(self.settings, self.seed, RATE)
        self.witness = Witness(self.settings.kafka)
        self.hall = Hall(self.system, outer.settings, self._code.get("gateway", ""), own_disk=self.own_disks)
        self._stack.callback(self.hall.close)
        self.crew.start(2)
        self._stack.callback(self.crew.close)
        self.hall.start()
        self.feeder.start()

    def close(self) -> None:
        """Stop everything."""
        self._stack.close()

    def _open_servers(self) -> None:
        fetch_jars(CACHE)
        self.own_disks = own_mounts() and all(map(self._small_disk, DISKS))
        for proxy in (self.to_postgres, self.to_kafka):
            proxy.start()
            self._stack.callback(proxy.stop)
        self.to_kafka.target = ports.claim(0, "the second listener", "")
        for server in (self.kafka, self.postgres):
            server.start()
            self._stack.callback(server.stop)
        self.to_postgres.target = self.postgres.port
        wait_for(self.kafka.ready, 90, "Kafka")
        wait_for(self.postgres.ready, 90, "PostgreSQL")

    def _small_disk(self, name: str) -> bool:
        folder = self.folder / name
        is_there = small_disk(folder, DISKS[name])
        if is_there:
            self._stack.callback(subprocess.run, ["umount", str(folder)], check=True)
        return is_there

    def _settings(self, url: str, bootstrap: str) -> Settings:
        return Settings.model_validate(
            {
                "kafka": {"bootstrap_servers": bootstrap, "topic_prefix": "faults."},
                "database": {"url": url},
                "seal": {"current": "test", "keys": {"test": SEAL_KEY}, "months": MONTHS},
                "worker": {
                    "group": "faults",
                    "watch_seconds": 2,
                    "sweep_seconds": 5,
                    "batch_records": BATCH_RECORDS,
                },
            }
        )

    def kill_kafka(self) -> None:
        """SIGKILL, and a new start as `hcp up` makes it. Blocks until it answers."""
        child = self.kafka.child
        if child and child.pid:
            os.kill(child.pid, signal.SIGKILL)
            child.stop(10)
        time.sleep(RESTART_SECONDS)
        self.kafka.start()
        wait_for(self.kafka.ready, 90, "Kafka, back again")

    def end_postgres(self, how: signal.Signals) -> None:
        """SIGKILL of all its processes, or SIGQUIT (immediate), or SIGINT (fast). Blocks until none is left."""
        child = self.postgres.child
        if child is None or child.pid is None:
            return
        all_of_it = [psutil.Process(child.pid), *psutil.Process(child.pid).children(recursive=True)]
        for one in all_of_it if how is signal.SIGKILL else all_of_it[:1]:
            with suppress(psutil.NoSuchProcess):
                one.send_signal(how)
        psutil.wait_procs(all_of_it, timeout=30)
        child.stop(10)

    def start_postgres(self) -> None:
        """Start it again. Blocks until it answers: recovery is over."""
        self.postgres.start()
        wait_for(self.postgres.ready, 90, "PostgreSQL, back again")

    def poison(self, odd: Odd, stream: Stream, partition: int) -> None:
        """Send an odd batch straight to the broker. Blocks until the log has it."""
        number = f"POISON-{len(self.poisoned)}"
        made = odd.batch(case(number) if stream is Stream.CASE else review(number, 1))
        topic = self.settings.kafka.topic(stream)
        first = produce(self.kafka.bootstrap_servers, topic, partition, made)
        self.poisoned |= {Place(stream, partition, first + n) for n in range(odd.many)}

    def delete_topic(self, stream: Stream) -> None:
        """Delete one that workers write to. Blocks until the broker has forgotten it."""
        topic = self.settings.kafka.topic(stream)
        with log.admin(self.settings.kafka) as admin:
            admin.delete_topics([topic])
            wait_for(lambda: topic not in admin.list_topics(), 20, "the topic to go")

    def declare_again(self) -> None:
        """`hcp topics`, until the broker makes the one that is missing. Blocks."""

        def made() -> bool:
            with suppress(KafkaError):
                return bool(log.declare_topics(self.settings.kafka))
            return False

        wait_for(made, 20, "the topic to come")

    def add_partition(self) -> None:
        """One more on both input topics, which the load uses from now on. Blocks until its producer sees them."""
        partitions = self.feeder.mixture.partitions + 1
        with log.admin(self.settings.kafka) as admin:
            admin.create_partitions({self.settings.kafka.topic(stream): partitions for stream in INPUTS})
        self.feeder.know(partitions)

    def back_up(self) -> None:
        """Keep a copy of the database's folder, as a nightly cold backup does.

        What is restorable is asked before: workers go on as soon as the server is back, and stand further than the copy.
        """
        self.restorable = self.positions()
        self.end_postgres(signal.SIGINT)
        shutil.rmtree(self.folder / "backup", ignore_errors=True)
        self.copy(self.folder / "postgres" / "data", self.folder / "backup")
        self.start_postgres()

    def restore(self) -> None:
        """Put the copy in the place of what the server of today has, which is ended."""
        self.end_postgres(signal.SIGQUIT)
        shutil.rmtree(self.folder / "postgres" / "data")
        self.copy(self.folder / "backup", self.folder / "postgres" / "data")
        self.start_postgres()

    @staticmethod
    def copy(source: Path, target: Path) -> None:
        """A folder with all owners and modes. Blocks."""
        subprocess.run(["cp", "-a", str(source), str(target)], check=True)

    def shared(self) -> bool:
        """Whether every worker of the crew has its slot and partitions; false while Kafka cannot tell."""
        group = self.settings.worker.group
        try:
            with log.admin(self.settings.kafka) as admin:
                said = admin.describe_groups([group])[group]
        except KafkaError:
            return False
        slots = len(self.slot_sessions())
        assigned = [member["member_assignment"] for member in said["members"]]
        here = len(self.crew.numbers)
        return said["group_state"] == "Stable" and all(assigned) and len(assigned) == slots == here

    def slot_sessions(self) -> set[int]:
        """The database's processes in whose sessions workers hold their slots, dead ones among them."""
        rows = self.system.ask(
            "select pid from pg_locks where locktype = 'advisory' and classid = :c", c=SLOTS
        )
        return {pid for (pid,) in rows}

    def positions(self) -> dict[tuple[str, int], int]:
        """Where the ledger stands, by topic and partition. Raises SQLAlchemy's errors while it is away."""
        rows = self.system.ask("select topic, partition, next_offset from stream_position")
        return {(topic, partition): offset for topic, partition, offset in rows}
