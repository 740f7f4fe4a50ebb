"""Two strangers whose window has one number for everybody: each a standalone review with a ticket of its own."""

import json
from collections.abc import Iterator

import pytest

from pipeline.ledger.raw import unpack
from producers.devices.device import Device
from producers.devices.managing import Office
from schemas.topics import Stream
from tests.gateway import GatewayProcess, Sender
from tests.harness import DEPT, System, case, review
from tests.wait import wait_for

pytestmark = pytest.mark.system
NUMBER = "000000"
TERMINAL = Device("w1", "terminal", channels=("terminal",), hall_code="H1", window_code="W1")


@pytest.fixture
def gateway(system: System) -> Iterator[GatewayProcess]:
    process = GatewayProcess(system.settings, system.folder)
    yield process
    process.kill()


def kept(system: System) -> list[dict[str, object]]:
    """Every review of the log, as the raw records have it."""
    records = [record for (data,) in system.ask("select data from raw_block") for record in unpack(data)]
    values = [json.loads(record.value) for record in records if record.value]
    return [value for value in values if "satisfaction" in value]


def two_strangers(system: System, gateway: GatewayProcess, device: Device) -> None:
    """Both bad, one number typed in two ways; and a case with the number of a sender who is another. Blocks."""
    key = Office(system.settings).add(device)
    gateway.start()
    with system.worker():
        system.send(case(NUMBER, dept_code=DEPT))
        for seq, number in enumerate((NUMBER, "０００\u200b０００"), start=1):
            event = review(number, 1, channel="terminal", device_seq=seq, comment=f"第{seq}位")
            assert Sender(gateway.url, key).send(event).status_code == 202
        wait_for(lambda: system.one("select count(*) from ticket") == 2, 40, "both to be a ticket")
        system.wait_until_caught_up()


def test_strangers_are_standalone_each_with_a_ticket_and_nobody_a_conflict(
    system: System, gateway: GatewayProcess
) -> None:
    two_strangers(
        system, gateway, Device("w1", "terminal", "", ("terminal",), "", "H1", "W1", placeholders=(NUMBER,))
    )
    assert system.fates() == {"stored": 3}
    assert system.counters("standalone", "matched", "conflicts") == {"standalone": 2}
    assert system.ask("select distinct case_no, service_no, window_code, device_id from review") == [
        ("", 1, "W1", "w1")
    ]
    assert system.one("select count(*) from ticket where case_no = ''") == 2
    assert {value["claimed_case_no"] for value in kept(system)} == {NUMBER, "０００\u200b０００"}
    assert not any("case_no" in value for value in kept(system))
    keys = system.ask("select count(*) from review where sent_digest is not null")
    assert keys == [(2,)], "the device's chain goes on"
    assert system.settings.kafka.topic(Stream.REVIEW) == system.one("select min(topic) from review")


def test_without_the_setting_they_are_taken_for_one_citizen_of_a_stranger_s_case(
    system: System, gateway: GatewayProcess
) -> None:
    """The broken twin."""
    two_strangers(system, gateway, TERMINAL)
    assert system.counters("standalone", "matched", "conflicts").get("matched") == 1
    assert not any("claimed_case_no" in value for value in kept(system))
