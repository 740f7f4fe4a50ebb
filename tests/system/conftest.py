"""What tests of a way in share: a gateway as a process, a browser."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import sync_playwright

from tests.browser.chromium import ARGS, CHROMIUM
from tests.gateway import GatewayProcess
from tests.harness import System


@pytest.fixture
def gateway(system: System) -> Iterator[GatewayProcess]:
    """Not started yet: a device that is registered before is known from the first request."""
    process = GatewayProcess(system.settings, system.folder)
    yield process
    process.kill()


@pytest.fixture
def chromium() -> Iterator[Any]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        yield browser
        browser.close()
