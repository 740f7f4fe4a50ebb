"""The desk in a real browser: from the list to a ticket and back, on a wide and on a narrow screen."""

import os
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import uvicorn
from playwright.sync_api import sync_playwright

from consumers.desk.app import create
from pipeline.settings import Settings
from tests.consumers.filling import bad_review, clock, county, fill
from tests.wait import wait_for

pytestmark = [pytest.mark.browser, pytest.mark.system]
CHROMIUM = "/usr/bin/chromium"
ARGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
SHOTS = os.environ.get("SHOTS")
"""A folder: what the pages look like is written there."""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        yield browser
        browser.close()


@pytest.fixture
def address(ledger: Settings) -> Iterator[str]:
    """Where the desk is served."""
    config = uvicorn.Config(create(ledger, clock), port=0, log_level="error", ws="none", lifespan="on")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    wait_for(lambda: server.started, 20, "the desk")
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(10)


@pytest.fixture
def page(chromium: Any) -> Iterator[Any]:
    """A page on which nothing may go wrong and nothing may come from elsewhere."""
    context = chromium.new_context(viewport={"width": 1280, "height": 800}, locale="zh-CN")
    made = context.new_page()
    asked: list[str] = []
    complaints: list[str] = []
    made.on("request", lambda request: asked.append(request.url))
    made.on("console", lambda message: complaints.append(message.text))
    made.on("pageerror", lambda error: complaints.append(str(error)))
    yield made
    context.close()
    assert asked
    assert {urlsplit(url).hostname for url in asked} == {"127.0.0.1"}
    assert [said for said in complaints if "404" not in said] == []


@pytest.fixture
def shoot(page: Any) -> Callable[[str], None]:
    """Keep what the page looks like, if somebody wants to see it."""

    def keep(name: str) -> None:
        if SHOTS:
            page.screenshot(path=str(Path(SHOTS) / f"{name}.png"), full_page=True)

    return keep


def overflows(page: Any) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"))


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
