"""Apache Kafka's jars, fetched once by Maven, which keeps them in its own cache for the next folder."""

import os
import re
import shutil
import signal
import subprocess
from importlib.resources import files
from pathlib import Path

from deploy.embedded.whole import made_whole
from deploy.errors import StackError
from deploy.tether import tied

MIN_JAVA = 17
_MAVEN = ("mvn", "-B", "-q", "dependency:copy-dependencies", "-DincludeScope=runtime")


def java() -> str:
    """The Java to run: of JAVA_HOME, else of the path. StackError if there is none, or an older one than 17."""
    home = os.environ.get("JAVA_HOME")
    found = shutil.which("java", path=f"{home}/bin" if home else None)
    if not found:
        raise StackError(
            f"there is no Java{f' in JAVA_HOME={home}' if home else ''}: install Java {MIN_JAVA} or newer "
            "(Debian: apt install default-jre-headless), or set HCP_KAFKA__BOOTSTRAP_SERVERS to a Kafka of yours"
        )
    said = subprocess.run([found, "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(\d+)', said)
    if not version or int(version[1]) < MIN_JAVA:
        raise StackError(
            f"Kafka needs Java {MIN_JAVA} or newer, and {found} is {version[1] if version else 'unknown'}: "
            "install a newer one and point JAVA_HOME to it"
        )
    return found


def fetch_jars(libs: Path) -> None:
    """Bring the jars of `deploy/kafka/pom.xml` into `libs`, unless they are there. Blocks for 20 s the first time.

    Raises StackError if Maven is missing or fails.
    """
    if are_there(libs):
        return
    if not shutil.which("mvn"):
        raise StackError(
            "Kafka's jars are fetched by Maven, and there is none: install it (Debian: apt install maven), "
            "or set HCP_KAFKA__BOOTSTRAP_SERVERS to a Kafka of yours"
        )
    with made_whole(libs) as draft:
        (draft / "pom.xml").write_text(_pom())
        _maven(draft)


def are_there(libs: Path) -> bool:
    """Whether `libs` holds what our pom.xml asks for."""
    stamp = libs / "pom.xml"
    return stamp.exists() and stamp.read_text() == _pom()


def _pom() -> str:
    return (files("deploy") / "kafka" / "pom.xml").read_text()


def _maven(folder: Path) -> None:
    done = subprocess.run(
        tied([*_MAVEN, f"-DoutputDirectory={folder.resolve()}"], signal.SIGKILL),
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        errors = [line for line in done.stdout.splitlines() if line.startswith("[ERROR]")]
        reason = errors[0].removeprefix("[ERROR] ") if errors else done.stderr.strip()
        raise StackError(
            f"Maven could not fetch Kafka's jars; look at the network or Maven's settings.xml and start again: {reason}"
        )


def version(libs: Path) -> str:
    """The version of the Kafka that was fetched."""
    (jar,) = libs.glob("kafka_2.13-*.jar")
    return jar.stem.removeprefix("kafka_2.13-")
