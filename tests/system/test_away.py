"""`hcp status` while Kafka, PostgreSQL or both are away: nobody listens, or somebody who never answers."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from pydantic import SecretStr

from consumers.status import Status
from deploy.embedded.kafka import Kafka
from deploy.embedded.postgres import Postgres
from pipeline.settings import environment
from tests.harness import System
from tests.wait import wait_for

pytestmark = pytest.mark.system
LOOK_SECONDS = 5
NOBODY = "127.0.0.1:1"
COMBINATIONS = [("kafka",), ("postgres",), ("kafka", "postgres")]
TIMED = """
import json, time
from consumers.status import collect
from pipeline.settings import load
began = time.monotonic()
errors = collect(load())["errors"]
print(json.dumps([time.monotonic() - began, errors]))
"""
SENTENCE = {"kafka": "Kafka does not answer", "postgres": "the database does not answer"}


@contextmanager
def hung(*servers: Kafka | Postgres) -> Iterator[None]:
    """They take connections, by the kernel's hand, and never answer."""
    stopped = []
    for server in servers:
        assert server.child
        assert server.child.pid
        parent = psutil.Process(server.child.pid)
        stopped += [parent, *parent.children(recursive=True)]
    for process in stopped:
        process.suspend()
    try:
        yield
    finally:
        for process in stopped:
            process.resume()


def errors_soon(look: Status) -> str:
    """The errors of one look, which must not take long."""
    began = time.monotonic()
    errors = look.collect()["errors"]
    assert time.monotonic() - began < LOOK_SECONDS
    return "\n".join(errors)


def expect_named(said: str, away: tuple[str, ...]) -> None:
    for server, sentence in SENTENCE.items():
        assert (sentence in said) == (server in away)


@pytest.mark.parametrize("away", COMBINATIONS, ids="+".join)
def test_servers_that_nobody_reaches_are_named_soon(system: System, away: tuple[str, ...]) -> None:
    """In a process of its own: kafka-python leaves sockets that were refused to the garbage collector, which warns."""
    settings = system.settings
    if "kafka" in away:
        settings.kafka.bootstrap_servers = NOBODY
    if "postgres" in away:
        settings.database.url = SecretStr(f"postgresql://hcp@{NOBODY}/hcp")
    env = {name: value for name, value in os.environ.items() if not name.startswith("HCP_")}
    done = subprocess.run(
        [sys.executable, "-c", TIMED],
        env=env | environment(settings),
        capture_output=True,
        text=True,
        check=True,
    )
    seconds, errors = json.loads(done.stdout)
    expect_named("\n".join(errors), away)
    assert seconds < LOOK_SECONDS


@pytest.mark.parametrize("away", COMBINATIONS, ids="+".join)
def test_servers_that_hang_are_named_soon(
    system: System, kafka: Kafka, postgres: Postgres, away: tuple[str, ...]
) -> None:
    servers: dict[str, Kafka | Postgres] = {"kafka": kafka, "postgres": postgres}
    with hung(*(servers[name] for name in away)):
        expect_named(errors_soon(Status(system.settings)), away)


def test_looks_one_after_the_other_do_not_hang_and_recover(
    system: System, kafka: Kafka, postgres: Postgres
) -> None:
    """As the exporter and `hcp up` look: with connections of the look before."""
    looks = Status(system.settings)
    wait_for(lambda: looks.collect()["errors"] == [], 20, "both answer")
    with hung(kafka, postgres):
        for _ in range(2):
            expect_named(errors_soon(looks), ("kafka", "postgres"))
    wait_for(lambda: looks.collect()["errors"] == [], 20, "both answer again")
    looks.close()


def test_a_person_reads_the_errors_first(tmp_path: Path) -> None:
    env = {name: value for name, value in os.environ.items() if not name.startswith("HCP_")}
    away = {"HCP_KAFKA__BOOTSTRAP_SERVERS": NOBODY, "HCP_DATABASE__URL": f"postgresql://hcp@{NOBODY}/hcp"}
    for words in ([], ["--json"]):
        done = subprocess.run(
            [sys.executable, "-m", "deploy", "status", *words],
            cwd=tmp_path,
            env=env | away,
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
        assert (done.returncode, done.stderr) == (1, "")
        expect_named(done.stdout[:400], ("kafka", "postgres"))
    assert next(iter(json.loads(done.stdout))) == "errors"
