"""Whether it lives, whether it takes events, what it counts, who may look."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from producers.gateway import health as health_module
from tests.consumers.client import Client
from tests.harness import review
from tests.producers.gateway.house import House, house, settings_in


@pytest.fixture
def broker() -> Iterator[int]:
    """A port on which something listens."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


def test_kafka_away_is_degraded_and_ready_all_the_same(gateway: House) -> None:
    answer = gateway.client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "degraded",
        "spool": {"ok": True, "reason": ""},
        "kafka": {"ok": False, "reason": "ConnectionRefusedError"},
    }
    assert gateway.client.get("/healthz").text == "ok\n"


def test_one_broker_of_several_is_enough(tmp_path: Path, broker: int) -> None:
    settings = settings_in(tmp_path)
    settings.kafka.bootstrap_servers = f"127.0.0.1:9,127.0.0.1:{broker},nonsense"
    gateway = House(settings)
    answer = gateway.client.get("/readyz").json()
    assert answer["status"] == "ready"
    assert answer["kafka"] == {"ok": True, "reason": "ConnectionRefusedError; ValueError"}
    gateway.close()


def test_a_spool_that_stores_nothing_is_not_ready(tmp_path: Path) -> None:
    with house(tmp_path) as gateway:
        gateway.way_in.spool.close()
        answer = gateway.client.get("/readyz")
        assert (answer.status_code, answer.json()["status"]) == (503, "not-ready")
        assert answer.json()["spool"]["reason"]
        refused = gateway.send(review("C1", channel="terminal"))
        assert (refused.status_code, refused.json()["type"]) == (503, "urn:hcp:problem:broken")


def test_whoever_asks_often_is_told_the_same(gateway: House, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[str] = []

    def look(server: str) -> str:
        looks.append(server)
        return ""

    monkeypatch.setattr(health_module, "_unreachable", look)
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
