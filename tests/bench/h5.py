"""The page behind a code on a slow phone: first paint, and bytes on the wire.

Chromium's own throttle, as its DevTools set it: "slow 4G" (562 ms for each request, 1.47 Mbit/s down) and a processor four
times slower. A fresh browser context each time: nothing is cached.
"""

import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from tests.bench.figures import Figure
from tests.bench.stage import Stage
from tests.browser.chromium import ARGS, CHROMIUM
from tests.browser.test_qr import MAX_BYTES, PHONE
from tests.producers.gateway.house import house
from tests.producers.qr.walls import WINDOW
from tests.serving import served

SLOW_4G = {"offline": False, "latency": 562.5, "downloadThroughput": 184_320, "uploadThroughput": 84_375}
"""Milliseconds; bytes a second."""
SLOWER = 4
FIRST_PAINT_MS = 1_000.0
REPETITIONS = 10
PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"


def measure(stage: Stage) -> Iterator[Figure]:
    """First contentful paint and the size of everything that is loaded for it."""
    with (
        tempfile.TemporaryDirectory() as folder,
        house(Path(folder), address_per_minute=1_000) as gateway,
        served(gateway.app, "off") as address,
        sync_playwright() as playwright,
    ):
        token = gateway.way_in.tokens.make(WINDOW, gateway.clock() + timedelta(days=1))
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        visits = [_visit(browser, f"{address}/r/{token}") for _ in stage.repetitions(REPETITIONS)]
        browser.close()
    paints, sizes = zip(*visits, strict=True)
    note = "slow 4G, processor 4 × slower, nothing cached"
    yield Figure("h5: first contentful paint", "ms", paints, note, limit=FIRST_PAINT_MS)
    yield Figure(
        "h5: bytes on the wire", "bytes", sizes, "headers and body of all responses", limit=MAX_BYTES
    )


def _visit(browser: Any, link: str) -> tuple[float, float]:
    """Milliseconds until something can be read, and bytes that came."""
    context = browser.new_context(viewport={"width": PHONE[0], "height": PHONE[1]})
    page = context.new_page()
    session = context.new_cdp_session(page)
    sizes: list[float] = []
    session.on("Network.loadingFinished", lambda done: sizes.append(done["encodedDataLength"]))
    session.send("Network.enable")
    session.send("Network.emulateNetworkConditions", SLOW_4G)
    session.send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
    page.goto(link, wait_until="networkidle")
    paint = page.wait_for_function(PAINT).json_value()
    context.close()
    return float(paint), sum(sizes)
