"""Every page of the desk in a real browser: nothing for axe to find, nothing sticks out; a call to 12345 is keyed in."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.settings import Settings
from tests.browser.looking import overflows, violations
from tests.consumers.county_gateway import CountyGateway
from tests.consumers.filling import PHONE, county, fill, inspected, terminals

pytestmark = [pytest.mark.browser, pytest.mark.system]
WIDTHS = (390, 1280)


@pytest.fixture
def gateway(ledger: Settings, tmp_path: Path) -> Iterator[CountyGateway]:
    """A gateway that the desk's settings name; asked for before `address`."""
    made = CountyGateway(tmp_path / "gateway")
    made.known_to(ledger)
    yield made
    made.close()


@pytest.fixture
def look(page: Any, shoot: Callable[[str], None]) -> Callable[[str], None]:
    """Hold a page against everything that holds for all, at both widths."""

    def at_both_widths(name: str) -> None:
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 800})
            shoot(f"{name}-{width}")
            assert not overflows(page), name
            assert violations(page) == [], name

    return at_both_widths


def test_axe_finds_what_is_wrong(address: str, page: Any) -> None:
    page.goto(f"{address}/devices")
    page.evaluate("document.querySelector('h1').innerHTML = '<img src=\"/static/icon.svg\">'")
    assert any(found.startswith("image-alt") for found in violations(page))


@pytest.mark.parametrize("path", ["", "devices", "inspection", "inspection/cases", "hotline", "nothing"])
def test_empty_pages(address: str, page: Any, look: Callable[[str], None], path: str) -> None:
    page.goto(f"{address}/{path}")
    look(f"empty-{path.replace('/', '-') or 'list'}")


def test_the_tickets(ledger: Settings, address: str, page: Any, look: Callable[[str], None]) -> None:
    fill(ledger, *county())
    page.goto(address)
    look("list")
    page.locator("tbody tr a").first.click()
    page.wait_for_url(re.compile("/tickets/"))
    look("ticket")


def test_the_devices(ledger: Settings, address: str, page: Any, look: Callable[[str], None]) -> None:
    terminals(ledger)
    page.goto(address)
    page.get_by_role("link", name="评价器").click()
    page.wait_for_url(f"{address}/devices")
    assert page.locator('header a[aria-current="page"]').inner_text() == "评价器"
    missing = page.locator("tbody tr", has_text="缺 6 条")
    assert not missing.get_by_text("第 4 至 6 号").is_visible()
    missing.locator("summary").click()
    assert missing.get_by_text("第 4 至 6 号，共 3 条").is_visible()
    look("devices")
    page.get_by_label("只看需要处理的").check()
    page.get_by_role("button", name="筛选").click()
    page.wait_for_url(re.compile("needing=1"))
    assert "A04" not in page.inner_text("tbody")


def test_the_inspection(ledger: Settings, address: str, page: Any, look: Callable[[str], None]) -> None:
    fill(ledger, *inspected())
    page.goto(f"{address}/inspection")
    look("inspection")
    page.get_by_role("link", name="没有事项名称").click()
    page.wait_for_url(re.compile("rule=name_missing"))
    assert page.locator("tbody tr").count() == 3
    look("cases")
    page.get_by_label("部门", exact=True).select_option(label="县公安局")
    page.get_by_role("button", name="筛选").click()
    page.wait_for_url(re.compile("department="))
    assert page.locator("tbody tr").count() == 2


def test_a_call_is_keyed_in(
    gateway: CountyGateway,
    address: str,
    page: Any,
    look: Callable[[str], None],
) -> None:
    page.goto(f"{address}/hotline")
    look("hotline")
    page.get_by_role("button", name="提交评价").click()
    assert page.get_by_role("alert").is_visible()
    look("hotline-mistakes")
    page.get_by_label("部门", exact=True).select_option(label="县公安局")
    page.get_by_label("窗口（可不填）").fill("A07")
    assert not page.get_by_text("服务态度差效率低").is_visible()
    page.get_by_text("非常不满意", exact=True).click()
    page.get_by_label("服务态度差效率低").check()
    page.get_by_label("来电人的原话（可不填）").fill("等了三个小时，\n没有人理我")
    page.get_by_label("电话", exact=True).fill(PHONE)
    look("hotline-filled")
    page.get_by_role("button", name="提交评价").dblclick()
    page.get_by_role("heading", name="评价").wait_for()
    look("hotline-done")
    (event,) = gateway.taken()
    assert (event["satisfaction"], event["channel"], event["window_code"]) == (1, "hotline", "A07")
    assert event["comment"] == "等了三个小时，\n没有人理我"
    assert event["real_name"]
    assert PHONE not in str(event)
    assert PHONE not in page.content()
    page.get_by_role("link", name="录入下一条").click()
    page.wait_for_url(f"{address}/hotline")
    assert page.get_by_label("电话", exact=True).input_value() == ""


def test_what_was_typed_stays_while_the_gateway_is_away(
    gateway: CountyGateway,
    address: str,
    page: Any,
    look: Callable[[str], None],
) -> None:
    gateway.close()
    page.goto(f"{address}/hotline")
    page.get_by_label("办件编号").fill("C-1")
    page.get_by_text("满意", exact=True).click()
    page.get_by_label("来电人的原话（可不填）").fill("谢谢")
    page.get_by_role("button", name="提交评价").click()
    assert page.get_by_text("评价网关暂时没有应答").is_visible()
    assert page.get_by_label("办件编号").input_value() == "C-1"
    assert page.get_by_label("来电人的原话（可不填）").input_value() == "谢谢"
    assert page.locator("#level-4").is_checked()
    look("hotline-away")
