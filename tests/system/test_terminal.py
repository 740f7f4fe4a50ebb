"""A window's tablet on real servers: enrolled with the link that the register gives, called by its system, in the ledger."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import sync_playwright

from pipeline.ledger.device_chains import chains
from pipeline.signing import sign
from producers.devices.device import Device
from producers.devices.managing import NewKey, Office, decode
from producers.terminal.enrolment import link
from tests.browser.chromium import ARGS, CHROMIUM
from tests.browser.tablet import tablet
from tests.gateway import GatewayProcess
from tests.harness import DEPT, System
from tests.wait import wait_for

pytestmark = [pytest.mark.system, pytest.mark.browser]


@pytest.fixture
def gateway(system: System) -> Iterator[GatewayProcess]:
    process = GatewayProcess(system.settings, system.folder)
    process.start()
    yield process
    process.kill()


@pytest.fixture
def chromium() -> Iterator[Any]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        yield browser
        browser.close()


def invite(url: str, key: NewKey, **said: str) -> httpx.Response:
    body, path = json.dumps(said).encode(), "/v1/terminals/W1/invite"
    signed = sign(key.device_id, key.key_id, decode(key.secret), "POST", path, body)
    return httpx.post(url + path, content=body, headers=signed, timeout=20)


def test_five_hundred_reviews_and_a_call_are_in_the_ledger_in_one_chain(
    system: System, gateway: GatewayProcess, chromium: Any
) -> None:
    office = Office(system.settings)
    window = office.add(Device("terminal-1", "terminal", "3号窗口", ("hall_tablet",), DEPT, "H1", "W1"))
    queue = office.add(Device("queue-1", "system", "", (), DEPT, "H1"))
    with system.worker(), tablet(chromium) as one:
        one.page.goto(link(gateway.url, "W1", window))
        one.net("connected")  # the gateway learns of a new device within a few seconds
        one.shows("idle")
        one.page.context.set_offline(True)
        one.judge(1)
        one.keep(499)
        one.page.context.set_offline(False)
        one.net("connected")
        told = wait_for(lambda: invite(gateway.url, queue, case_no="C1", item_name="社会保障卡申领"))
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
