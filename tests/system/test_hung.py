"""PostgreSQL and Kafka stand still (SIGSTOP: connections stay, nobody answers): citizens are answered within two seconds."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import httpx
import pytest

from deploy.embedded.kafka import Kafka
from deploy.embedded.postgres import Postgres
from producers.devices.device import Device
from producers.devices.managing import NewKey, Office
from producers.qr.following import AWAY, UNKNOWN
from producers.tokens import Kind, Place, Tokens, new_id
from schemas.identifiers import uuid7
from schemas.receipt import new_event_id, number_of
from tests.gateway import GatewayProcess, Sender
from tests.harness import System, review
from tests.liveness.servers import stopped
from tests.wait import wait_for

pytestmark = pytest.mark.system
MOST_SECONDS = 2.0
ASKING = 12
"""Receipts that are asked for at once, again and again: more than the gateway has threads for them."""


class Answered(NamedTuple):
    seconds: float
    answer: httpx.Response


class Citizens:
    """What people do at a gateway. Each method blocks, and is timed."""

    def __init__(self, gateway: GatewayProcess, token: str) -> None:
        self._url, self._form = gateway.url, f"{gateway.url}/r/{token}"
        self._client = httpx.Client(timeout=60)

    def receipt(self, number: str) -> Answered:
        return self._timed("GET", f"{self._url}/r/receipt?number={number}")

    def find(self, event_id: str) -> Answered:
        return self._timed("GET", f"{self._url}/v1/reviews/{event_id}")

    def submit(self) -> Answered:
        fields = {"level": "5", "event_id": new_event_id(datetime.now(UTC))}
        return self._timed("POST", self._form, data=fields)

    def close(self) -> None:
        self._client.close()

    def _timed(self, method: str, url: str, data: dict[str, str] | None = None) -> Answered:
        began = time.monotonic()
        answer = self._client.request(method, url, data=data)
        return Answered(time.monotonic() - began, answer)


@pytest.fixture
def served(system: System, gateway: GatewayProcess) -> Iterator[tuple[Citizens, Sender]]:
    key: NewKey = Office(system.settings).add(Device("hung-1", "system", channels=("terminal",)))
    gateway._settings.gateway.address_per_minute = 10**6
    gateway._settings.gateway.token_per_minute = 10**6
    gateway._settings.gateway.token_total_per_minute = 10**6
    gateway.start()
    place = Place(token_id=new_id(), kind=Kind.WINDOW, name="1号窗口", window_code="W1")
    token = Tokens(system.settings.seal).make(place, datetime.now(UTC) + timedelta(days=1))
    citizens = Citizens(gateway, token)
    yield citizens, Sender(gateway.url, key)
    citizens.close()
    gateway.stop()


def unknown_number() -> str:
    return number_of(new_event_id(datetime.now(UTC)))


def test_a_hung_database_holds_nobody(
    served: tuple[Citizens, Sender], gateway: GatewayProcess, postgres: Postgres
) -> None:
    citizens, device = served
    assert UNKNOWN.title in citizens.receipt(unknown_number()).answer.text
    with ThreadPoolExecutor(ASKING + 1) as crowd, stopped(postgres):
        for _ in range(2):
            asked = [crowd.submit(citizens.receipt, unknown_number()) for _ in range(ASKING)]
            asked.append(crowd.submit(citizens.find, str(uuid7())))
            submitted = [citizens.submit() for _ in range(5)]
            began = time.monotonic()
            assert device.send(review("C1", channel="terminal")).status_code == 202
            assert time.monotonic() - began < MOST_SECONDS
            receipts = [one.result() for one in asked]
            assert [one.answer.status_code for one in submitted] == [303] * 5
            assert max(one.seconds for one in submitted + receipts) < MOST_SECONDS
            *pages, found = [one.answer for one in receipts]
            assert all(AWAY.title in page.text and "请过几分钟再查询" in page.text for page in pages)
            assert (found.status_code, found.json()["type"]) == (503, "urn:hcp:problem:ledger_away")
    wait_for(
        lambda: UNKNOWN.title in citizens.receipt(unknown_number()).answer.text,
        20,
        "the ledger to be asked again",
    )


def test_it_stops_while_the_database_hangs(
    served: tuple[Citizens, Sender], gateway: GatewayProcess, postgres: Postgres
) -> None:
    citizens, _ = served
    with stopped(postgres):
        assert citizens.receipt(unknown_number()).seconds < MOST_SECONDS
        began = time.monotonic()
        gateway.stop()
        assert time.monotonic() - began < 15


def test_a_hung_kafka_holds_nobody(served: tuple[Citizens, Sender], kafka: Kafka) -> None:
    citizens, device = served
    with ThreadPoolExecutor(ASKING) as crowd, stopped(kafka):
        asked = [crowd.submit(citizens.receipt, unknown_number()) for _ in range(ASKING)]
        done = [citizens.submit() for _ in range(5)]
        assert device.send(review("C1", channel="terminal")).status_code == 202
        assert [one.answer.status_code for one in done] == [303] * 5
        done += [one.result() for one in asked]
        assert max(one.seconds for one in done) < MOST_SECONDS
