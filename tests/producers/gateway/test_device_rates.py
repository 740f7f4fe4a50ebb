"""How much a device may send: its own rate, which nobody else can use up."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.devices.device import Device
from producers.gateway.device_rates import DeviceRates
from producers.gateway.errors import RateLimited
from tests.harness import case, review
from tests.producers.gateway.house import SYSTEM, TERMINAL, House, devices, envelope, house, settings_in
from tests.producers.gateway.test_limiter import Seconds

USUAL, SLOW = Device("usual", "terminal"), Device("slow", "terminal", per_minute=2)
BATCH = "application/cloudevents-batch+json"


def test_a_minute_s_worth_at_once_and_then_one_as_it_comes() -> None:
    clock = Seconds()
    rates = DeviceRates(6, clock)
    for _ in range(6):
        rates.spend(USUAL)
    with pytest.raises(RateLimited) as refused:
        rates.spend(USUAL)
    assert refused.value.headers == {
        "RateLimit-Policy": '"device";q=6;w=60',
        "RateLimit": '"device";r=0;t=10',
        "Retry-After": "10",
    }
    clock.now += 9.5
    with pytest.raises(RateLimited) as refused:
        rates.spend(USUAL)
    assert refused.value.headers["Retry-After"] == "1"
    clock.now += 0.5
    rates.spend(USUAL)


def test_a_device_has_the_rate_that_it_was_given() -> None:
    rates = DeviceRates(6, Seconds())
    for device, allowed in ((SLOW, 2), (USUAL, 6)):
        for _ in range(allowed):
            rates.spend(device)
        with pytest.raises(RateLimited):
            rates.spend(device)


def test_a_batch_larger_than_the_rate_is_taken_and_paid_off() -> None:
    clock = Seconds()
    rates = DeviceRates(6, clock)
    rates.spend(USUAL)
    rates.charge(USUAL, 499)
    with pytest.raises(RateLimited) as refused:
        rates.spend(USUAL)
    clock.now += int(refused.value.headers["Retry-After"])
    rates.spend(USUAL)


@given(st.lists(st.tuples(st.floats(0, 30), st.integers(1, 4)), max_size=60))
def test_nothing_comes_faster_than_the_rate_for_long(steps: list[tuple[float, int]]) -> None:
    """At most a minute's worth, and what was charged with the last call, beyond what the time allows."""
    clock = Seconds()
    rates, began, taken = DeviceRates(6, clock), clock.now, 0
    for pause, events in steps:
        clock.now += pause
        try:
            rates.spend(USUAL)
        except RateLimited as refused:
            assert int(refused.headers["Retry-After"]) >= 1
            continue
        rates.charge(USUAL, events - 1)
        taken += events
        assert taken <= 6 + (clock.now - began) / 10 + 1 + events


def test_who_sends_too_much_is_told_when_to_come_again(tmp_path: Path) -> None:
    with house(tmp_path, device_per_minute=2) as gateway:
        statuses = [gateway.send(review(f"C{n}", channel="terminal")) for n in range(3)]
        assert [answer.status_code for answer in statuses] == [202, 202, 429]
        assert 0 < int(statuses[2].headers["retry-after"]) <= 30
        assert statuses[2].json()["type"] == "urn:hcp:problem:too_many"
        assert gateway.send(case("C9"), SYSTEM).status_code == 202, "another device"
        assert len(gateway.rows()) == 3


def test_each_event_of_a_batch_counts(tmp_path: Path) -> None:
    with house(tmp_path, device_per_minute=10) as gateway:
        for number, status in ((10, 202), (1, 429)):
            body = json.dumps([envelope(case(f"C{number}-{n}")) for n in range(number)]).encode()
            headers = gateway.signed(body, device=SYSTEM, headers={"content-type": BATCH})
            assert gateway.client.post("/v1/events", content=body, headers=headers).status_code == status


def test_a_device_of_the_register_has_its_own_rate(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    known = devices(settings)
    known[0] = Device(
        TERMINAL, "terminal", channels=("terminal",), window_code="W1", keys=known[0].keys, per_minute=1
    )
    gateway = House(settings, known)
    try:
        assert [gateway.send(review(f"C{n}", channel="terminal")).status_code for n in range(2)] == [202, 429]
    finally:
        gateway.close()


def test_a_stranger_uses_up_nobody_s_rate_but_its_address_s(tmp_path: Path) -> None:
    """The device's name is known to everybody, and both may sit behind one address."""
    with house(tmp_path, device_per_minute=2, address_per_minute=3) as gateway:
        event = review("C1", channel="terminal")
        forged = [gateway.send(event, headers={"hcp-signature": "0" * 64}) for _ in range(5)]
        assert [answer.status_code for answer in forged] == [401, 401, 401, 429, 429]
        unsigned = gateway.client.post(
            "/v1/events", content=b"{}", headers={"content-type": "application/json"}
        )
        assert unsigned.status_code == 429
        assert int(unsigned.headers["retry-after"]) > 0
        assert gateway.send(event).status_code == 202
        citizen = gateway.client.get("/v1/reviews/none")
        assert citizen.status_code == 503, "what citizens call is counted apart; this house has no ledger"


def test_thanks_are_counted_and_use_up_no_review(tmp_path: Path) -> None:
    with house(tmp_path, address_per_minute=3) as gateway:
        assert [gateway.client.get("/r/none/thanks").status_code for _ in range(5)] == [
            404,
            404,
            404,
            429,
            429,
        ]
        assert gateway.client.get("/r/none").status_code == 404
