"""Embedded Apache Kafka: one process in KRaft mode (broker and controller), loopback only."""

import signal
import subprocess
import uuid
from base64 import urlsafe_b64encode
from importlib.resources import files
from pathlib import Path
from shutil import copyfile, rmtree

from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from deploy.child import Child, end_leftovers
from deploy.embedded import ports
from deploy.embedded.jars import fetch_jars, java, version
from deploy.embedded.whole import made_whole
from deploy.errors import StackError
from deploy.tether import tied

_TUNING = ("-XX:+UseSerialGC", "-XX:+ExitOnOutOfMemoryError", "-XX:-UsePerfData", "-Djava.io.tmpdir=tmp")
_LOGGING = "log4j2.properties"


class Kafka:
    """One broker and controller in `folder`, whose jars lie in `libs`.

    Kafka works in `folder`, and every path it is told is relative to that: any folder's name will do.
    """

    name = "kafka"

    def __init__(
        self,
        folder: Path,
        libs: Path,
        port: int = 0,
        controller_port: int = 0,
        heap: str = "512m",
        log: Path | None = None,
    ) -> None:
        self._folder, self._libs = folder.resolve(), libs.resolve()
        self.port, self.controller_port, self._heap = port, controller_port, heap
        self._log = (log or folder / "kafka.log").resolve()
        self.child: Child | None = None

    @property
    def bootstrap_servers(self) -> str:
        """Its address."""
        return f"127.0.0.1:{self.port}"

    @property
    def address(self) -> str:
        """What the table shows."""
        return self.bootstrap_servers

    def start(self) -> Child:
        """Prepare the folder, start the broker; `ready` tells when it answers. Raises StackError."""
        self.prepare()
        return self.launch()

    def prepare(self) -> None:
        """All that has to be there before the broker: Java, jars, ports, a whole data folder. Blocks; raises StackError."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        run = (java(), "-cp", f"{self._libs}/*")
        fetch_jars(self._libs)
        end_leftovers(self._folder, "java", signal.SIGTERM)
        self.port = ports.claim(self.port, "Kafka", "HCP_STACK__KAFKA_PORT")
        controller = "HCP_STACK__CONTROLLER_PORT"
        self.controller_port = ports.claim(self.controller_port, "Kafka's controller", controller)
        self._make_data(run)
        (self._folder / "server.properties").write_text(self._properties("data"))
        copyfile(str(files("deploy") / "kafka" / _LOGGING), self._folder / _LOGGING)
        rmtree(self._folder / "tmp", ignore_errors=True)
        (self._folder / "tmp").mkdir()
        memory = (f"-Xms{self._heap}", f"-Xmx{self._heap}", f"-Dlog4j2.configurationFile={_LOGGING}")
        broker = (*run, *memory, *_TUNING, "kafka.Kafka", "server.properties")
        self.child = Child("kafka", broker, self._log, folder=self._folder)

    def launch(self) -> Child:
        """Start the broker in the folder that was prepared. Does not block; from a thread that stays."""
        if self.child is None:
            raise RuntimeError("prepare comes first")
        self.child.start()
        return self.child

    def ready(self) -> bool:
        """Whether it answers. Blocks for a moment."""
        if not ports.listens(self.port):  # kafka-python would leave a socket open for each try
            return False
        try:
            KafkaAdminClient(bootstrap_servers=self.bootstrap_servers, bootstrap_timeout_ms=1_500).close()
        except KafkaError:
            return False
        return True

    def stop(self, seconds: float = 10) -> None:
        """End it: segments are flushed and closed."""
        if self.child:
            self.child.stop(seconds)

    def _make_data(self, run: tuple[str, ...]) -> None:
        """Format the data folder unless it is there, and hold it to the version that wrote it."""
        data, ours = self._folder / "data", version(self._libs)
        if not data.exists():
            with made_whole(data) as draft:
                self._format(draft.name, run)
                (draft / "written-by").write_text(ours)
        stamp = data / "written-by"
        if not ((data / "meta.properties").exists() and stamp.exists()):
            raise StackError(
                f"{data} is no whole Kafka data folder: restore it from a backup, or move it away to begin anew,"
                " or set HCP_STACK__DATA_DIR"
            )
        if _numbers(wrote := stamp.read_text()) > _numbers(ours):
            raise StackError(f"{data} was written by Kafka {wrote} and this is {ours}: use the newer release")
        if wrote != ours:
            stamp.write_text(ours)

    def _format(self, data: str, run: tuple[str, ...]) -> None:
        settings = self._folder / "format.properties"
        settings.write_text(self._properties(data))
        cluster = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        tool = ("kafka.tools.StorageTool", "format", f"--cluster-id={cluster}", "--standalone")
        done = subprocess.run(
            tied([*run, *tool, f"--config={settings.name}"], signal.SIGKILL),
            cwd=self._folder,
            capture_output=True,
            text=True,
            check=False,
        )
        settings.unlink()
        if done.returncode:
            why = (done.stderr.strip() or done.stdout.strip() or "no reason given").splitlines()[-1]
            raise StackError(f"Kafka's folder {self._folder} cannot be formatted: {why}")

    def _properties(self, data: str) -> str:
        listeners = f"PLAINTEXT://127.0.0.1:{self.port}"
        settings = {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.bootstrap.servers": f"127.0.0.1:{self.controller_port}",
            "listeners": f"{listeners},CONTROLLER://127.0.0.1:{self.controller_port}",
            "advertised.listeners": listeners,
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name": "PLAINTEXT",
            "log.dirs": data,
            "offsets.topic.replication.factor": "1",
            "offsets.topic.num.partitions": "4",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "transaction.state.log.num.partitions": "4",
            "share.coordinator.state.topic.replication.factor": "1",
            "share.coordinator.state.topic.min.isr": "1",
            "group.initial.rebalance.delay.ms": "0",
            "auto.create.topics.enable": "false",
        }
        return "".join(f"{name}={value}\n" for name, value in settings.items())


def _numbers(release: str) -> list[int]:
    return [int(number) for number in release.split(".")]
