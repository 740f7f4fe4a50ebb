"""Who was served is invited, on real servers: by a text message, on the department's own web page; each ends in the ledger."""

from typing import Any

import pytest
from pydantic import SecretStr

from producers.devices.device import Device
from producers.devices.managing import Office
from schemas.receipt import event_of
from tests.browser.test_qr import PHONE, choose, submit, thanked
from tests.gateway import GatewayProcess
from tests.harness import DEPT, System, case
from tests.producers.qr import test_sms
from tests.system.calling import call
from tests.wait import wait_for

pytestmark = [pytest.mark.system, pytest.mark.browser]
NUMBER, CASE_NO = "13800135678", "MX20261123000888"
ITEM = "灵活就业人员参保登记"
INVITATIONS = "/v1/invitations"
NO_START = "from producers.qr.sms.outbox import Outbox; Outbox.start = lambda self: None"


def reviewed(chromium: Any, url: str, size: tuple[int, int]) -> str:
    """Open the link, say 满意, and return the review's id."""
    page = chromium.new_page(viewport={"width": size[0], "height": size[1]}, locale="zh-CN")
    page.goto(url)
    assert page.get_by_text(ITEM).is_visible()
    choose(page, 4)
    submit(page)
    return event_of(thanked(page))


def kept(system: System, event_id: str) -> list[tuple[Any, ...]]:
    """Channel and case of this review, once the ledger has it."""
    asked = "select channel, case_no, effective from review where event_id = :id"
    return wait_for(lambda: system.ask(asked, id=event_id), 40, "the review in the ledger")


def message_of(system: System, gateway: GatewayProcess, seconds: float) -> dict[str, str]:
    """What the county's sender of messages gets after an invitation. AssertionError if it gets nothing in time."""
    key = Office(system.settings).add(Device("tax-system", "system", "税务办件系统", dept_code=DEPT))
    with test_sms.served() as hook:
        system.settings.gateway.sms_webhook = SecretStr(f"{hook}/202")
        gateway.start()
        asked = {"case_no": CASE_NO, "channel": "sms", "item_name": ITEM, "phone": NUMBER}

        def told_again() -> bool:
            said: str = call(gateway.url, key, INVITATIONS, **asked).json()["sms"]
            return said == "sent_before"

        assert not told_again()
        wait_for(lambda: test_sms.Server.seen, seconds, "the message")
        wait_for(told_again, seconds, "its note")
    ((_, message),) = test_sms.Server.seen
    told: dict[str, str] = message
    return told


def test_a_text_message_leads_to_a_review(system: System, gateway: GatewayProcess, chromium: Any) -> None:
    system.send(case(CASE_NO))
    message = message_of(system, gateway, 20)
    assert message["phone"] == NUMBER
    assert message["url"] in message["text"]
    assert message["url"].startswith(f"{gateway.url}/r/")
    with system.worker():
        event_id = reviewed(chromium, message["url"], PHONE)
        assert kept(system, event_id) == [("sms", CASE_NO, True)]
        wait_for(lambda: system.counters("matched") == {"matched": 1}, 40, "review and case to meet")


def test_a_gateway_that_starts_nothing_beside_its_requests_goes_red(system: System) -> None:
    """The broken twin."""
    gateway = GatewayProcess(system.settings, system.folder, NO_START)
    try:
        with pytest.raises(AssertionError, match="the message"):
            message_of(system, gateway, 3)
    finally:
        gateway.kill()


def test_the_department_s_web_page_leads_to_a_review(
    system: System, gateway: GatewayProcess, chromium: Any
) -> None:
    key = Office(system.settings).add(Device("web-portal", "system", "政务服务网", dept_code=DEPT))
    gateway.start()
    invited = call(gateway.url, key, INVITATIONS, case_no=CASE_NO, channel="pc", item_name=ITEM)
    assert invited.status_code == 201, invited.text
    with system.worker():
        event_id = reviewed(chromium, invited.json()["url"], (1280, 800))
        assert kept(system, event_id) == [("pc", CASE_NO, True)]
