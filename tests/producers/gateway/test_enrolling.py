"""POST /terminal/enrol: a ticket gives its device's key once, and within a quarter of an hour."""

from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from producers.devices.managing import decode
from producers.devices.tickets import LASTS, PATH
from tests.producers.gateway.house import SECRETS, TERMINAL, Clock, House, devices, house, settings_in


def enrol(gateway: House, ticket: str) -> httpx.Response:
    return gateway.client.post(PATH, headers={"authorization": f"Bearer {ticket}"})


def ticket(gateway: House, device: str = TERMINAL, key: str = "k1") -> str:
    return gateway.way_in.tickets.make(device, key)


def kind(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"].rpartition(":")[2]


def test_it_gives_the_key_once(gateway: House) -> None:
    made = ticket(gateway)
    answer = enrol(gateway, made)
    given: dict[str, Any] = answer.json()
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert (given["device_id"], given["key_id"], decode(given["secret"])) == (
        TERMINAL,
        "k1",
        SECRETS[TERMINAL],
    )
    assert kind(enrol(gateway, made)) == (410, "ticket_used")
    assert "hcp device rotate" in enrol(gateway, made).json()["detail"]
    assert enrol(gateway, ticket(gateway)).status_code == 200, "another link"


def test_used_is_used_also_after_a_restart_and_until_its_time_is_over(tmp_path: Path) -> None:
    clock, settings = Clock(), settings_in(tmp_path)
    first = House(settings, clock=clock)
    made = ticket(first)
    assert enrol(first, made).status_code == 200
    first.close()
    second = House(settings, clock=clock)
    clock.move(seconds=LASTS.total_seconds() - 2)
    second.way_in.spool.prune()
    assert kind(enrol(second, made)) == (410, "ticket_used")
    clock.move(seconds=2)
    assert kind(enrol(second, made)) == (401, "ticket_expired")
    second.close()


def test_a_device_that_is_not_known_yet_does_not_use_it_up(gateway: House) -> None:
    for made in (ticket(gateway, "terminal-2"), ticket(gateway, key="k2")):
        for _ in range(2):
            answer = enrol(gateway, made)
            assert kind(answer) == (503, "device_unknown")
            assert answer.headers["retry-after"] == "1"


def test_a_revoked_device_gets_nothing(tmp_path: Path) -> None:
    settings, clock = settings_in(tmp_path), Clock()
    revoked = msgspec.structs.replace(devices(settings)[0], revoked_at=clock())
    gateway = House(settings, [revoked], clock)
    assert kind(enrol(gateway, ticket(gateway))) == (401, "device_revoked")
    gateway.close()


@pytest.mark.parametrize("said", ["nonsense", "s1.test.AAAA", "s1." * 2000])
def test_what_is_no_ticket_is_told(gateway: House, said: str) -> None:
    assert kind(enrol(gateway, said)) == (401, "ticket_bad")
    assert kind(gateway.client.post(PATH)) == (401, "token_missing")


def test_who_guesses_is_counted(tmp_path: Path) -> None:
    with house(tmp_path, address_per_minute=2) as gateway:
        assert [enrol(gateway, "nonsense").status_code for _ in range(3)] == [401, 401, 429]
