"""`hcp up` as a user has it: started, refused, wounded, stopped, killed, started again; each in a folder of its own."""

import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg2
import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from deploy.embedded.jars import fetch_jars
from pipeline import log
from pipeline.settings import Settings
from tests.conftest import CACHE
from tests.permits import ROWS, permit_file
from tests.wait import wait_for

pytestmark = pytest.mark.system
ANY_PORTS = {
    "HCP_STACK__KAFKA_PORT": "0",
    "HCP_STACK__CONTROLLER_PORT": "0",
    "HCP_STACK__POSTGRES_PORT": "0",
    "HCP_WEB__DESK_PORT": "0",
    "HCP_WEB__EXPORTER_PORT": "0",
    "HCP_GATEWAY__PORT": "0",
}
READY_SECONDS = 90


class Folder:
    """A folder in which `hcp` is typed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.data = path / ".hcp"
        (self.data / "kafka").mkdir(parents=True)
        (self.data / "kafka" / "libs").symlink_to(CACHE.resolve())

    def hcp(self, *words: str, **env: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "deploy", *words],
            cwd=self.path,
            env={**os.environ, **ANY_PORTS, **env},
            capture_output=True,
            text=True,
            check=False,
            timeout=READY_SECONDS,
        )

    def processes(self, *words: str) -> list[psutil.Process]:
        """All that run in here, or those of them with these words in their command."""
        found = []
        for one in psutil.process_iter(["cwd", "cmdline"]):
            where, command = one.info["cwd"] or "", one.info["cmdline"] or []
            if where.startswith(str(self.path)) and all(word in command for word in words):
                found.append(one)
        return found

    def supervisor(self) -> psutil.Process:
        return psutil.Process(int((self.data / "lock").read_text().split()[0]))

    def settings(self) -> Settings:
        return Settings(_env_file=self.data / "env")

    def said(self) -> str:
        return (self.data / "log" / "up.log").read_text()


@pytest.fixture(scope="module", autouse=True)
def libs() -> None:
    fetch_jars(CACHE)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    folder = Folder(tmp_path)
    yield folder
    for one in folder.processes():
        one.kill()


def servers(folder: Folder) -> tuple[psutil.Process, psutil.Process]:
    """The broker and the postmaster that run now."""
    (broker,) = folder.processes("kafka.Kafka")
    (postmaster,) = folder.processes("-D", ".")
    return broker, postmaster


def test_a_stack_heals_its_processes_and_stops_in_order(folder: Folder) -> None:
    started = folder.hcp("up", "--empty", "--detach")
    assert started.returncode == 0, started.stderr
    assert "http://127.0.0.1:" in started.stdout

    second = folder.hcp("up", "--empty")
    assert second.returncode == 1
    assert f"already runs here (pid {folder.supervisor().pid})" in second.stderr
    assert "Traceback" not in second.stderr

    status = json.loads(folder.hcp("status", "--json").stdout)
    assert status["errors"] == []
    assert status["addresses"]["bootstrap_servers"] == folder.settings().kafka.bootstrap_servers

    pages = [*folder.processes("deploy", "desk"), *folder.processes("deploy", "gateway")]
    wounded = [*folder.processes("deploy", "worker"), *pages, *servers(folder)]
    assert len(wounded) == 5
    for one in wounded:
        one.kill()
    healed = "postgres(restarts=1) kafka(restarts=1) exporter desk(restarts=1) gateway(restarts=1) worker(restarts="
    wait_for(lambda: healed in folder.said().splitlines()[-1], 60, "all run again")
    errors = json.loads(folder.hcp("status", "--json").stdout)["errors"]
    assert [error for error in errors if "crashes in a loop" not in error] == [], "its servers were away"

    with log.admin(folder.settings().kafka) as admin:
        admin.delete_topics(["hcp.review.v1"])
    gone = "! the topic hcp.review.v1 does not exist: make it with `hcp topics`"
    wait_for(lambda: gone in folder.said().splitlines()[-1], 30, "the view names the topic that is gone")
    assert folder.hcp("topics").stdout == "created: hcp.review.v1\n"
    wait_for(lambda: gone not in folder.said().splitlines()[-1], 30, "the supervisor goes on")

    began = time.monotonic()
    folder.supervisor().send_signal(signal.SIGTERM)
    wait_for(lambda: not folder.processes(), 15, "everything has stopped")
    assert time.monotonic() - began < 15
    assert "shut down" in (folder.data / "log" / "postgres.log").read_text()
    assert folder.hcp("down").stdout == "nothing runs here\n"


def test_a_killed_supervisor_leaves_no_process_and_nothing_is_lost(folder: Folder) -> None:
    assert folder.hcp("up", "--empty", "--detach").returncode == 0
    settings = folder.settings()
    record = TopicPartition(settings.kafka.topic_prefix + "case.v1", 0)
    producer = KafkaProducer(bootstrap_servers=settings.kafka.bootstrap_servers, acks="all")
    producer.send(record.topic, b"{}", partition=0).get(10)
    producer.close()
    wait_for(lambda: dead_letters(folder) == 1, 30, "the record is folded")

    folder.supervisor().kill()
    wait_for(lambda: not folder.processes(), 10, "the kernel has ended the others")

    again = folder.hcp("up", "--empty", "--detach")
    assert again.returncode == 0, again.stderr
    assert dead_letters(folder) == 1
    consumer = KafkaConsumer(bootstrap_servers=folder.settings().kafka.bootstrap_servers)
    assert consumer.end_offsets([record]) == {record: 1}
    consumer.close()
    assert folder.hcp("down").stdout == "stopped\n"
    assert folder.processes() == []


def dead_letters(folder: Folder) -> int:
    connection = psycopg2.connect(folder.settings().database.url.get_secret_value())
    try:
        with connection.cursor() as cursor:
            cursor.execute("select count(*) from ledger.dead_letter")
            (count,) = cursor.fetchone() or (0,)
            return int(count)
    finally:
        connection.close()


def test_the_simulated_week_until_done(folder: Folder) -> None:
    began = time.monotonic()
    done = folder.hcp("up", "--until-done")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the ledger is whole" in done.stdout
    assert time.monotonic() - began < 60
    assert folder.processes() == []
    months = folder.data / "months"
    assert folder.settings().seal.months == months.resolve()
    files = [months, *months.iterdir()]
    assert {stat.S_IMODE(one.stat().st_mode) for one in files} == {0o700, 0o600}
    assert all(re.fullmatch(r"m20\d{4}\.key", one.name) for one in files[1:])
    assert len(files) > 1, "somebody was named, and nobody had to do anything for it"


def test_real_cases_with_simulated_citizens_until_done(folder: Folder, tmp_path: Path) -> None:
    file = permit_file(tmp_path)
    done = folder.hcp("up", "--until-done", "--cases", str(file), "--source", "municipal-permit")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "their citizens are simulated" in done.stdout
    assert "moved by" in done.stdout

    assert folder.hcp("up", "--empty", "--detach").returncode == 0
    status = json.loads(folder.hcp("status", "--json").stdout)
    cases, reviews = status["fates"]["hcp.case.v1"], status["fates"]["hcp.review.v1"]
    assert (cases["stored"], cases["duplicate"]) == (ROWS, 0)
    assert reviews["stored"] > 7_500
    assert all(reviews[fate] > 0 for fate in ("duplicate", "conflict"))
    assert min(status["services"].values()) > 0, "reviewed, unreviewed and pending all occur"
    assert min(status["reviews"][outcome] for outcome in ("matched", "matched_late", "orphan")) > 0
    assert 0 < status["quality"]["cases_on_time"]["part"] < ROWS, "on time and late both occur"
    assert status["tickets"]["new"] > 0
    assert folder.hcp("verify", "--json").stdout == "[]\n"
    assert folder.hcp("down").returncode == 0


@pytest.mark.parametrize(
    "setting", ["HCP_STACK__KAFKA_PORT", "HCP_STACK__POSTGRES_PORT", "HCP_WEB__DESK_PORT"]
)
@pytest.mark.parametrize("detach", [["--detach"], []])
def test_a_taken_port_is_named_with_its_setting(folder: Folder, setting: str, detach: list[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        refused = folder.hcp("up", "--empty", *detach, **{setting: str(port)})
    assert refused.returncode == 1
    assert f"port {port} " in refused.stderr
    assert f"set {setting}" in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1
    assert folder.processes() == []


@pytest.mark.parametrize("server", ["kafka", "postgres"])
def test_a_data_folder_that_is_not_whole_is_named(folder: Folder, server: str) -> None:
    data = folder.data / server / "data"
    data.mkdir(parents=True)
    (folder.data / "secrets").write_text(
        json.dumps({"database_password": "p", "seal_key_id": "k", "seal_key": "unused"})
    )
    refused = folder.hcp("up", "--empty")
    assert refused.returncode == 1
    assert f"{data} is no whole" in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1
    assert folder.processes() == []
