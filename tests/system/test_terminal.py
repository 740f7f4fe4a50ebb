"""A window's tablet on real servers: enrolled with the link that the register gives, called by its system, in the ledger."""

from typing import Any

import pytest

from pipeline.ledger.device_chains import chains
from producers.devices.device import Device
from producers.devices.managing import Office
from producers.terminal.enrolment import link
from tests.browser.tablet import tablet
from tests.gateway import GatewayProcess
from tests.harness import DEPT, System
from tests.system.calling import call
from tests.wait import wait_for

pytestmark = [pytest.mark.system, pytest.mark.browser]
INVITE = "/v1/terminals/W1/invite"


def test_five_hundred_reviews_and_a_call_are_in_the_ledger_in_one_chain(
    system: System, gateway: GatewayProcess, chromium: Any
) -> None:
    office = Office(system.settings)
    window = office.add(Device("terminal-1", "terminal", "3号窗口", ("hall_tablet",), DEPT, "H1", "W1"))
    queue = office.add(Device("queue-1", "system", "", (), DEPT, "H1"))
    gateway.start()
    with system.worker(), tablet(chromium) as one:
        one.page.goto(link(gateway.url, "W1", window))
        one.net("connected")
        one.shows("idle")
        one.page.context.set_offline(True)
        one.judge(1)
        one.keep(499)
        one.page.context.set_offline(False)
        one.net("connected")
        told = call(gateway.url, queue, INVITE, case_no="C1", item_name="社会保障卡申领")
        assert told.json() == {"delivered": True}
        one.page.get_by_text("社会保障卡申领").wait_for()
        one.touch('[data-level="5"]')
        one.touch("#submit")
        one.shows("thanks")
        wait_for(lambda: one.counts()["waiting"] == 0, what="the queue to be empty")
        wait_for(lambda: system.one("select count(*) from review") == 501, 60, "the ledger to have them all")
    with system.ledger.connect() as connection:
        (chain,) = chains(connection)
    assert (chain.device_id, chain.last_seq, chain.whole) == ("terminal-1", 501, True)
    assert system.one("select count(*) from ticket") == 1
    assert system.ask("select case_no from review where device_seq = 501") == [("C1",)]


def test_a_kiosk_s_reviews_are_in_the_ledger_as_a_kiosk_s(
    system: System, gateway: GatewayProcess, chromium: Any
) -> None:
    """自助终端: the same page, enrolled with the link of a device of that channel."""
    key = Office(system.settings).add(
        Device("kiosk-1", "terminal", "1号自助终端", ("kiosk",), "", "H1", "K01")
    )
    gateway.start()
    with system.worker(), tablet(chromium) as one:
        one.enrol(link(gateway.url, "K01", key))
        one.page.get_by_text("1号自助终端").wait_for()
        one.judge(2)
        wait_for(lambda: system.one("select count(*) from ticket") == 1, 40, "the ticket")
    assert system.ask("select channel, device_id, hall_code, window_code from review") == [
        ("kiosk", "kiosk-1", "H1", "K01")
    ]
