"""A call to 12345, on real servers: keyed in at the desk, in the ledger, and found with the number that was read out."""

import re
import shutil
from typing import Any

import pytest
from pydantic import SecretStr

from consumers.desk.app import create as create_desk
from producers.devices.device import Device
from producers.devices.managing import Office
from schemas.receipt import event_of
from tests.gateway import GatewayProcess
from tests.harness import System, case
from tests.serving import served
from tests.wait import wait_for

pytestmark = [pytest.mark.system, pytest.mark.browser]
NUMBER = re.compile(r"\b[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}\b")
CASE_NO = "MX20261123000777"


def register(system: System) -> None:
    """As `docs/desk.md` says: a device for the calls, and the desk's settings."""
    key = Office(system.settings).add(Device("hotline-12345", "system", "12345热线", ("hotline",)))
    web = system.settings.web
    web.hotline_device, web.hotline_key = key.device_id, key.key_id
    web.hotline_secret = SecretStr(key.secret)


def submitted(page: Any, level: str) -> str:
    """The form's last fields, and the receipt number that the operator reads out."""
    page.get_by_text(level, exact=True).click()
    page.get_by_role("button", name="提交评价").click()
    page.get_by_role("heading", name="评价已收到").wait_for()
    (number,) = set(NUMBER.findall(page.inner_text("main")))
    return str(number)


def followed(page: Any, gateway: GatewayProcess, number: str) -> str:
    """What the caller is told of it."""
    page.goto(f"{gateway.url}/r/receipt?number={number}")
    return str(page.locator(".signal h2").inner_text())


def test_calls_are_in_the_ledger_and_followed_up_with_their_numbers(
    system: System, gateway: GatewayProcess, chromium: Any
) -> None:
    register(system)
    gateway.start()
    system.send(case(CASE_NO))
    page = chromium.new_page(locale="zh-CN")
    with served(create_desk(system.settings)) as desk, system.worker():
        page.goto(f"{desk}/hotline")
        page.get_by_label("办件编号").fill(CASE_NO)
        good = submitted(page, "满意")
        page.goto(f"{desk}/hotline")
        page.get_by_label("部门", exact=True).select_option(label="县公安局")
        page.get_by_label("窗口（可不填）").fill("A07")
        page.get_by_label("来电人的原话（可不填）").fill("等了三个小时")
        bad = submitted(page, "非常不满意")
        wait_for(lambda: system.one("select count(*) from review") == 2, 40, "both calls in the ledger")
        wait_for(lambda: system.counters("matched") == {"matched": 1}, 40, "the first one to meet its case")
        wait_for(lambda: followed(page, gateway, bad) == "已转交承办部门", 20, "the ticket")
    kept = system.ask(
        "select event_id, channel, satisfaction, case_no, window_code, comment from review order by satisfaction"
    )
    assert kept == [
        (event_of(bad), "hotline", 1, "", "A07", "等了三个小时"),
        (event_of(good), "hotline", 4, CASE_NO, "", ""),
    ]
    assert system.ask("select event_id from ticket") == [(event_of(bad),)]

    gateway.stop()
    shutil.rmtree(system.settings.gateway.spool_dir)
    gateway.start()
    assert followed(page, gateway, good) == "您的评价已收到", (
        "the ledger has it, whatever the spool has forgotten"
    )
    assert followed(page, gateway, "0000-0000-0000") == "没有找到这个编号"
