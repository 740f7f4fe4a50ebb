"""The two servers alone: they start in a new folder of any name, keep their data, and survive being killed."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg2
import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from deploy.child import end_leftovers
from deploy.embedded.jars import fetch_jars
from deploy.embedded.kafka import Kafka
from deploy.embedded.postgres import Postgres
from deploy.errors import StackError
from pipeline.log import declare_topics
from pipeline.settings import Kafka as KafkaSettings
from tests.conftest import CACHE
from tests.wait import wait_for

pytestmark = pytest.mark.system
PARTITION = TopicPartition("hcp.case.v1", 0)


@pytest.fixture(scope="module", autouse=True)
def libs() -> Path:
    fetch_jars(CACHE)
    return CACHE


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "好差评, with a blank"


@pytest.fixture
def database(folder: Path) -> Iterator[Postgres]:
    server = Postgres(folder, "a-word-for-this-test")
    yield server
    server.stop()


@pytest.fixture
def broker(folder: Path) -> Iterator[Kafka]:
    server = Kafka(folder, CACHE)
    yield server
    server.stop()


def up(server: Kafka | Postgres) -> None:
    child = server.start()
    wait_for(lambda: server.ready() or not child.running, 60, child.name)
    assert child.running, child.tail()


def test_postgres_keeps_its_rows_over_a_crash(database: Postgres) -> None:
    up(database)
    connection = psycopg2.connect(database.url)
    with connection, connection.cursor() as cursor:
        cursor.execute("create table kept as select 42 as answer")
    connection.close()
    assert database.child
    database.child.stop(0)
    database.port = 0

    up(database)
    connection = psycopg2.connect(database.url)
    with connection.cursor() as cursor:
        cursor.execute("select answer, current_setting('is_superuser') from kept")
        assert cursor.fetchone() == (42, "off")
    connection.close()


def test_kafka_keeps_its_records_over_a_crash_and_a_change_of_ports(broker: Kafka) -> None:
    up(broker)
    declare_topics(KafkaSettings(bootstrap_servers=broker.bootstrap_servers))
    producer = KafkaProducer(bootstrap_servers=broker.bootstrap_servers)
    producer.send(PARTITION.topic, b"kept", partition=0).get(10)
    producer.close()
    assert broker.child
    broker.child.stop(0)
    broker.port = broker.controller_port = 0

    up(broker)
    consumer = KafkaConsumer(bootstrap_servers=broker.bootstrap_servers)
    assert consumer.end_offsets([PARTITION]) == {PARTITION: 1}
    consumer.close()


def test_a_server_left_running_in_the_folder_is_ended_first(database: Postgres, folder: Path) -> None:
    up(database)
    second = Postgres(folder, "a-word-for-this-test")
    try:
        up(second)
        assert database.child
        assert not database.child.running
    finally:
        second.stop()


def test_what_ends_while_the_leftovers_are_ended_is_no_error(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The processes of a PostgreSQL are called like it and end with it, between the look at them and the signal."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        one = psutil.Process(process.pid)
        one.info = {"name": "postgres", "cwd": str(folder)}
    monkeypatch.setattr(psutil, "process_iter", lambda _: [one])
    assert end_leftovers(folder, "postgres", signal.SIGINT) == [process.pid]


def test_a_pid_file_that_names_another_process_does_not_stop_postgres(
    database: Postgres, folder: Path
) -> None:
    up(database)
    assert database.child
    database.child.stop(0)
    (folder / "data" / "postmaster.pid").write_text("1\n")
    up(database)


@pytest.mark.parametrize("name", ["meta.properties", "PG_VERSION"])
def test_a_data_folder_that_is_not_whole_is_refused_and_left_alone(name: str, folder: Path) -> None:
    (folder / "data").mkdir(parents=True)
    (folder / "data" / name).write_text("18")
    server = Kafka(folder, CACHE) if name == "meta.properties" else Postgres(folder, "any")
    with pytest.raises(StackError, match=r"no whole .* data folder: restore it"):
        server.start()
    assert (folder / "data" / name).exists()


def test_data_of_a_newer_kafka_is_refused(folder: Path) -> None:
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "meta.properties").touch()
    (folder / "data" / "written-by").write_text("9.10.0")
    with pytest.raises(StackError, match=r"written by Kafka 9\.10\.0"):
        Kafka(folder, CACHE).start()


def test_data_of_another_postgres_is_refused(folder: Path) -> None:
    (folder / "data" / "global").mkdir(parents=True)
    (folder / "data" / "global" / "pg_control").touch()
    (folder / "data" / "PG_VERSION").write_text("17\n")
    with pytest.raises(StackError, match="belongs to PostgreSQL 17, this is 18"):
        Postgres(folder, "any").start()
