"""A tablet with the terminal's page, as a citizen, an administrator and a bad net meet it."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
from playwright.sync_api import Error

from producers.screen.shell import HERE
from tests.browser.chromium import ARGS, CHROMIUM, SHOTS

WIDE, TALL = (1280, 800), (800, 1280)
LOOK = {"locale": "zh-CN", "has_touch": True}


class Tablet:
    """One page of it."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.broken: list[str] = []
        page.on("pageerror", lambda error: self.broken.append(str(error)))

    def shows(self, view: str) -> None:
        """Wait until it does."""
        self.page.wait_for_selector(f'[data-view="{view}"]:not([hidden])')

    def net(self, state: str) -> None:
        """Wait until the quiet line says so."""
        self.page.wait_for_selector(f'#net[data-state="{state}"]')

    def enrol(self, link: str) -> None:
        self.page.goto(link)
        self.shows("idle")
        self.net("connected")

    def touch(self, selector: str) -> None:
        self.page.tap(selector)

    def judge(self, level: int) -> None:
        """A citizen reviews, from the idle page to the thanks."""
        self.touch("#begin")
        self.touch(f'[data-level="{level}"]')
        self.touch("#submit")
        self.shows("thanks")

    def keep(self, count: int) -> None:
        """So many reviews, one after the other, by the page's own way."""
        self.page.evaluate(
            """async (count) => {
              const { append } = await import("/terminal/static/queue.js");
              const { review } = await import("/terminal/static/review.js");
              const place = { channel: "hall_tablet", device_id: "terminal-1", window_code: "W1" };
              const said = { level: 4, reasons: ["413"], comment: "办得快，谢谢" };
              for (let n = 0; n < count; n += 1) await append(review(place, undefined, said));
            }""",
            count,
        )

    def counts(self) -> dict[str, int]:
        """What the queue holds: `waiting`, `refused`."""
        counted: dict[str, int] = self.page.evaluate(
            'import("/terminal/static/queue.js").then((queue) => queue.counts())'
        )
        return counted

    def shoot(self, name: str) -> None:
        """Keep what it looks like, if somebody wants to see it."""
        if SHOTS:
            size = self.page.viewport_size
            self.page.screenshot(path=str(Path(SHOTS) / f"{name}-{size['width']}x{size['height']}.png"))


Twin = tuple[str, str, str]
"""A script of the page, what stands in it, and what stands there in the broken twin."""


def twin_of(context: Any, twin: Twin | None) -> None:
    """The page's script is another one from now on. Only for a context without service workers."""
    if twin is None:
        return
    name, right, wrong = twin
    source = (HERE / "static" / name).read_text()
    assert source.count(right) == 1
    broken = source.replace(right, wrong)
    context.route(
        f"**/static/{name}", lambda route: route.fulfill(body=broken, content_type="text/javascript")
    )


def fill_storage(one: Tablet) -> None:
    """Nothing more can be kept until the page is loaded again."""
    one.page.evaluate(
        """() => { IDBObjectStore.prototype.add = () => { throw new DOMException("", "QuotaExceededError"); }; }"""
    )


@contextmanager
def tablet(chromium: Any, size: tuple[int, int] = WIDE, **more: Any) -> Iterator[Tablet]:
    """A fresh one, on whose page no script fails."""
    context = chromium.new_context(viewport={"width": size[0], "height": size[1]}, **LOOK, **more)
    made = Tablet(context.new_page())
    yield made
    context.close()
    assert made.broken == []


@contextmanager
def kept_tablet(playwright: Any, profile: Path, **more: Any) -> Iterator[Tablet]:
    """One whose storage is in this folder, and that may be killed while it is used."""
    context = playwright.chromium.launch_persistent_context(
        str(profile),
        executable_path=CHROMIUM,
        args=ARGS,
        viewport={"width": 1280, "height": 800},
        **LOOK,
        **more,
    )
    try:
        yield Tablet(context.pages[0])
    finally:
        with suppress(Error):  # it was killed
            context.close()


def kill(profile: Path) -> None:
    """SIGKILL to the browser of this folder: nothing of it says goodbye."""
    for process in psutil.Process().children(recursive=True):
        if f"--user-data-dir={profile}" in _words(process):
            process.send_signal(signal.SIGKILL)


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []
