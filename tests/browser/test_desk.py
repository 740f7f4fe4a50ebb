"""The desk in a real browser: from the list to a ticket and back, on a wide and on a narrow screen."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from pipeline.settings import Settings
from tests.browser.looking import overflows
from tests.consumers.filling import bad_review, county, fill

pytestmark = [pytest.mark.browser, pytest.mark.system]


def test_from_the_list_to_a_ticket_and_back(
    ledger: Settings, address: str, page: Any, shoot: Callable[[str], None]
) -> None:
    fill(ledger, *county())
    page.goto(address)
    shoot("list")
    row = page.locator("tbody tr").first
    assert "窗口说<script>alert(1)</script>" in row.inner_text()
    row.click(position={"x": 1200, "y": 50})  # the row is the link, wherever it is clicked
    page.wait_for_url(re.compile("/tickets/"))
    assert "138****5678" in page.inner_text("blockquote")
    shoot("ticket")
    page.go_back()
    assert page.locator("tbody tr").count() == 4


def test_the_filter_works_without_scripts(ledger: Settings, address: str, page: Any) -> None:
    fill(ledger, *county())
    page.goto(address)
    page.get_by_label("只看超期").check()
    page.get_by_role("button", name="筛选").click()
    page.wait_for_url(re.compile("overdue=1"))
    assert page.locator("tbody tr").count() == 1
    page.get_by_role("link", name="显示全部").click()
    page.wait_for_url(f"{address}/")
    assert page.locator("tbody tr").count() == 4


@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_sticks_out_sideways(
    ledger: Settings, address: str, page: Any, shoot: Callable[[str], None], width: int
) -> None:
    long = bad_review("9" * 60 + "case", comment="http" + "x" * 300, staff_id="S" * 64)
    fill(ledger, *county(), long)
    page.set_viewport_size({"width": width, "height": 740})
    page.goto(address)
    shoot(f"list-{width}")
    assert not overflows(page)
    for n in range(page.locator("tbody tr").count()):
        page.goto(address)
        page.locator("tbody tr").nth(n).locator("a").click()
        page.wait_for_url(re.compile("/tickets/"))
        shoot(f"ticket-{width}-{n}")
        assert not overflows(page)


def test_empty_and_missing_are_designed(address: str, page: Any, shoot: Callable[[str], None]) -> None:
    page.goto(address)
    shoot("empty")
    assert page.get_by_role("heading", name="目前没有待处理的差评工单").is_visible()
    answer = page.goto(f"{address}/nothing")
    shoot("missing")
    assert answer is not None
    assert answer.status == 404
    page.get_by_role("link", name="返回工单列表").click()
    page.wait_for_url(f"{address}/")
