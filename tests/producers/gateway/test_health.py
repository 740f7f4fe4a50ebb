"""Whether it lives, whether it takes events, what it counts, who may look."""

import asyncio
import math
import resource
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from deploy.embedded.kafka import Kafka
from producers.gateway import health, reachable
from producers.spool.store import Store
from producers.spool.tables import JOURNAL, reader
from tests.consumers.client import Client
from tests.harness import review
from tests.producers.gateway.house import House, house, settings_in
from tests.serving import served


@pytest.fixture
def listener() -> Iterator[int]:
    """A port on which something listens, and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


@pytest.fixture
def web_server(gateway: House) -> Iterator[str]:
    """Host and port of something that answers, but not as Kafka does."""
    with served(gateway.app, "off") as address:
        yield address.removeprefix("http://")


def kafka_of(folder: Path, servers: str) -> tuple[str, dict[str, Any]]:
    """What /readyz says of a Kafka on these servers."""
    settings = settings_in(folder / "asked")
    settings.kafka.bootstrap_servers = servers
    gateway = House(settings)
    answer = gateway.client.get("/readyz").json()
    gateway.close()
    return answer["status"], answer["kafka"]


def test_kafka_away_is_degraded_and_ready_all_the_same(gateway: House) -> None:
    answer = gateway.client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "degraded",
        "spool": {"ok": True, "reason": ""},
        "kafka": {"ok": False, "reason": "nobody listens there"},
    }
    assert gateway.client.get("/healthz").text == "ok\n"


@pytest.mark.system
def test_one_broker_of_several_is_enough(tmp_path: Path, kafka: Kafka) -> None:
    status, found = kafka_of(tmp_path, f"127.0.0.1:9, {kafka.bootstrap_servers},nonsense")
    assert (status, found) == ("ready", {"ok": True, "reason": "nobody listens there; it names no port"})


NOT_KAFKA = "something listens, but does not answer as Kafka does, or does not let us in"


def test_a_port_on_which_something_listens_is_no_kafka(tmp_path: Path, listener: int) -> None:
    found = kafka_of(tmp_path, f"127.0.0.1:{listener}")
    assert found == ("degraded", {"ok": False, "reason": NOT_KAFKA})


def test_what_answers_in_another_way_is_no_kafka(tmp_path: Path, web_server: str) -> None:
    assert kafka_of(tmp_path, web_server) == ("degraded", {"ok": False, "reason": NOT_KAFKA})


def test_a_look_at_ports_alone_is_found_out(
    tmp_path: Path, listener: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broken twin: as it once was."""
    monkeypatch.setattr(reachable, "_ask", lambda *_: None)
    assert kafka_of(tmp_path, f"127.0.0.1:{listener}")[0] == "ready"


def test_a_name_that_nobody_knows_is_told(tmp_path: Path) -> None:
    assert kafka_of(tmp_path, "nowhere.invalid:9092")[1]["reason"] == "its name is not known"


def test_who_asks_while_somebody_looks_is_not_kept_waiting_by_the_others(
    gateway: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twenty at once are one look; and while it lasts, the loop goes on: it is somebody in the loop who ends it."""
    looks, go_on = 0, threading.Event()

    def look(*_: object) -> str:
        nonlocal looks
        looks += 1
        assert go_on.wait(10)
        return ""

    async def ask_all() -> list[int]:
        asked = [asyncio.create_task(gateway.client.ask_in_loop("GET", "/readyz")) for _ in range(20)]
        healthy = await gateway.client.ask_in_loop("GET", "/healthz")
        go_on.set()
        return [healthy.status_code, *[(await one).status_code for one in asked]]

    monkeypatch.setattr(health, "trouble", look)
    assert asyncio.run(ask_all()) == [200] * 21
    assert looks == 1


def test_a_spool_that_stores_nothing_is_not_ready(tmp_path: Path) -> None:
    with house(tmp_path) as gateway:
        gateway.way_in.spool.close()
        answer = gateway.client.get("/readyz")
        assert (answer.status_code, answer.json()["status"]) == (503, "not-ready")
        assert answer.json()["spool"]["reason"]
        refused = gateway.send(review("C1", channel="terminal"))
        assert (refused.status_code, refused.json()["type"]) == (503, "urn:hcp:problem:broken")


@pytest.fixture
def no_larger_files() -> Iterator[Callable[[Path], None]]:
    """A disk that fails: from now on a file that has this size cannot grow, as on a device that answers with an error."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def begin(file: Path) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (file.stat().st_size, before[1]))

    yield begin
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_fails_is_told_before_anybody_s_review_meets_it(
    tmp_path: Path, no_larger_files: Callable[[Path], None]
) -> None:
    with house(tmp_path) as gateway:
        assert gateway.client.get("/readyz").status_code == 200
        no_larger_files(tmp_path / "spool" / JOURNAL)
        look_again(gateway)
        answer = gateway.client.get("/readyz")
        assert (answer.status_code, answer.json()["status"]) == (503, "not-ready")
        assert "the spool's disk failed (SQLITE_" in answer.json()["spool"]["reason"]


def test_a_look_that_writes_nothing_is_found_out(
    tmp_path: Path, no_larger_files: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broken twin: as it once was."""
    monkeypatch.setattr(Store, "probe", lambda *_: None)
    with house(tmp_path) as gateway:
        gateway.send(review("C1", channel="terminal"))
        no_larger_files(tmp_path / "spool" / JOURNAL)
        assert gateway.client.get("/readyz").status_code == 200
        assert gateway.send(review("C2", channel="terminal")).status_code == 503


def look_again(gateway: House) -> None:
    """The last answer is too old now."""
    (route,) = [one for one in gateway.app.routes if getattr(one, "path", "") == "/readyz"]
    route._endpoint.__self__._looked = -math.inf  # type: ignore[attr-defined]


def test_it_writes_one_row_however_often_it_looks(gateway: House) -> None:
    for _ in range(5):
        look_again(gateway)
        assert gateway.client.get("/readyz").status_code == 200
    assert gateway.way_in.spool.stats().pending == 0
    with closing(reader(gateway.settings.gateway.spool_dir)) as connection:
        assert connection.execute("select count(*) from probe").fetchone() == (1,)


def test_whoever_asks_often_is_told_the_same(gateway: House, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[str] = []

    def look(_: object, server: str) -> str:
        looks.append(server)
        return ""

    monkeypatch.setattr(health, "trouble", look)
    for _ in range(5):
        assert gateway.client.get("/readyz").json()["status"] == "ready"
    assert looks == ["127.0.0.1:9"]


def test_metrics_are_for_the_operator(tmp_path: Path) -> None:
    with house(tmp_path, trusted_proxies=["10.0.0.1"]) as gateway:
        assert gateway.client.get("/metrics").status_code == 200
        assert Client(gateway.app, "10.0.0.1").get("/metrics").status_code == 200
        assert Client(gateway.app, "203.0.113.7").get("/metrics").status_code == 404
        forwarded = {"x-forwarded-for": "127.0.0.1"}
        assert Client(gateway.app, "203.0.113.7").get("/metrics", headers=forwarded).status_code == 404
        through = {"x-forwarded-for": "203.0.113.7"}
        assert Client(gateway.app, "10.0.0.1").get("/metrics", headers=through).status_code == 404
        assert gateway.client.get("/metrics", headers=through).status_code == 404


def counted(gateway: House, sample: str) -> float:
    lines = gateway.client.get("/metrics").text.splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(sample + " "))


def test_what_is_counted(gateway: House) -> None:
    taken = 'hcp_gateway_requests_total{route="/v1/events",status="202"}'
    missed = 'hcp_gateway_requests_total{route="none",status="404"}'
    refused = 'hcp_gateway_refused_total{problem="out_of_range"}'
    waited = "hcp_gateway_accept_seconds_count"
    before = [counted(gateway, one) for one in (taken, missed, refused, waited)]
    gateway.send(review("C1", channel="terminal"))
    gateway.send(review("C1", 9, channel="terminal"))
    gateway.client.get("/secret/13800001111")
    after = [counted(gateway, one) for one in (taken, missed, refused, waited)]
    assert [b - a for a, b in zip(before, after, strict=True)] == [1, 1, 1, 1]
    assert counted(gateway, "hcp_gateway_devices") == 2
    assert counted(gateway, "hcp_gateway_devices_read_timestamp_seconds") > 1.7e9
    assert "13800001111" not in gateway.client.get("/metrics").text
