"""Embedded Apache Kafka: jars from Maven, one process in KRaft mode, loopback only."""

import re
import shutil
import subprocess
import uuid
from base64 import urlsafe_b64encode
from importlib.resources import files
from pathlib import Path

from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from deploy.child import Child
from deploy.embedded import ports
from deploy.errors import StackError

VERSION = "4.3.1"
_HERE = Path(str(files("deploy"))) / "kafka"
MIN_JAVA = 17


class Kafka:
    """One broker and controller in `folder`, whose jars lie in `libs`."""

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

    def start(self) -> Child:
        """Prepare the folder, start the broker; `ready` tells when it answers. Raises StackError."""
        check_java()
        self.port = ports.claim(self.port, "Kafka", "HCP_STACK__KAFKA_PORT")
        self.controller_port = ports.claim(
            self.controller_port, "Kafka's controller", "HCP_STACK__CONTROLLER_PORT"
        )
        self._prepare()
        self.child = Child(
            "kafka",
            [
                *self._java(),
                f"-Xmx{self._heap}",
                f"-Xms{self._heap}",
                "kafka.Kafka",
                str(self._folder / "server.properties"),
            ],
            self._log,
        )
        self.child.start()
        return self.child

    def ready(self) -> bool:
        """Whether it answers. Blocks for a moment."""
        try:
            KafkaAdminClient(bootstrap_servers=self.bootstrap_servers, bootstrap_timeout_ms=1_500).close()
        except KafkaError:
            return False
        return True

    def stop(self, seconds: float = 10) -> None:
        """End it: segments are flushed and closed."""
        if self.child:
            self.child.stop(seconds)

    def _java(self) -> list[str]:
        logging = f"-Dlog4j2.configurationFile={_HERE / 'log4j2.properties'}"
        return ["java", "-XX:+UseG1GC", "-XX:+ExitOnOutOfMemoryError", logging, "-cp", f"{self._libs}/*"]

    def _prepare(self) -> None:
        """Write the settings and format the data folder, whole or not at all."""
        data = self._folder / "data"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            (self._folder / "server.properties").write_text(self._properties(data))
        except OSError as error:
            raise StackError(
                f"cannot write to {self._folder}: {error.strerror}. Is the disk full?"
            ) from error
        if (data / "meta.properties").exists():
            return
        if data.exists() and any(path.name != "bootstrap.checkpoint" for path in data.iterdir()):
            raise StackError(
                f"{data} holds files, but not the meta.properties of a Kafka data folder (half-written?):"
                " restore it from a backup or move it away, or set HCP_STACK__DATA_DIR"
            )
        fresh = self._folder / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.rmtree(data, ignore_errors=True)
        self._format(fresh)
        fresh.rename(data)

    def _format(self, fresh: Path) -> None:
        settings = self._folder / "format.properties"
        settings.write_text(self._properties(fresh))
        cluster = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "A", 1)
        done = subprocess.run(
            [
                *self._java(),
                "kafka.tools.StorageTool",
                "format",
                "-t",
                cluster,
                "--standalone",
                "-c",
                str(settings),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        settings.unlink()
        if done.returncode:
            why = (done.stderr.strip() or done.stdout.strip() or "no reason given").splitlines()[-1]
            raise StackError(f"Kafka's folder {self._folder} cannot be formatted: {why}")

    def _properties(self, data: Path) -> str:
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
            "log.dirs": str(data),
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


def check_java() -> None:
    """Raises StackError when there is no Java that runs Kafka."""
    advice = f"install a Java runtime of version {MIN_JAVA} or later (Debian: apt-get install openjdk-17-jre-headless)"
    if shutil.which("java") is None:
        raise StackError(f"Kafka needs Java, and there is none: {advice}")
    said = subprocess.run(["java", "-version"], capture_output=True, text=True, check=False).stderr
    found = re.search(r'version "(\d+)', said)
    if found is None or int(found[1]) < MIN_JAVA:
        raise StackError(
            f"Kafka needs Java {MIN_JAVA}, this is {found[1] if found else 'of unknown version'}: {advice}"
        )


def fetch_jars(libs: Path) -> None:
    """Kafka's jars into `libs` through Maven, whole or not at all; nothing to do when they are there. Blocks (20 s).

    Raises StackError.
    """
    if libs.is_dir():
        return
    if shutil.which("mvn") is None:
        raise StackError(
            "Kafka's jars come through Maven, and there is no mvn: install Maven (Debian: apt-get install maven)"
        )
    fresh = libs.with_name(libs.name + ".new").resolve()
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.parent.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        ["mvn", "-B", "-q", "-f", str(_HERE / "pom.xml"), "dependency:copy-dependencies", f"-DoutputDirectory={fresh}",
         "-DincludeScope=runtime"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode or not any(fresh.glob(f"kafka_2.13-{VERSION}.jar")):
        lines = [line for line in (done.stdout + done.stderr).splitlines() if "ERROR" in line] or [
            "no reason given"
        ]
        raise StackError(
            f"Maven could not fetch Kafka {VERSION}: {lines[0][:200]}. Is the network there? Try again."
        )
    fresh.rename(libs)
