"""A browser; the desk, served, to look at with it; a tablet, enrolled at a gateway."""

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
from tests.browser.chromium import ARGS, CHROMIUM, SHOTS
from tests.browser.tablet import Tablet, tablet
from tests.consumers.filling import clock
from tests.producers.terminal.stand import Stand
from tests.wait import wait_for


@pytest.fixture(scope="module")
def playwright() -> Iterator[Any]:
    with sync_playwright() as made:
        yield made


@pytest.fixture(scope="module")
def chromium(playwright: Any) -> Iterator[Any]:
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGS)
    yield browser
    browser.close()


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[Stand]:
    made = Stand(tmp_path)
    made.open()
    yield made
    made.close()


@pytest.fixture
def one(stand: Stand, chromium: Any) -> Iterator[Tablet]:
    """An enrolled tablet."""
    with tablet(chromium) as made:
        made.enrol(stand.link)
        yield made


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
    assert [said for said in complaints if "the server responded with a status of" not in said] == []


@pytest.fixture
def shoot(page: Any) -> Callable[[str], None]:
    """Keep what the page looks like, if somebody wants to see it."""

    def keep(name: str) -> None:
        if SHOTS:
            page.screenshot(path=str(Path(SHOTS) / f"{name}.png"), full_page=True)

    return keep
