"""The tablet's stream of calls, and what is taken for it: portals and proxies answer, too, and are no gateway."""

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest

from producers.screen import routes
from tests.browser.tablet import Tablet, Twin, tablet, twin_of
from tests.producers.terminal.stand import Stand
from tests.wait import wait_for

pytestmark = pytest.mark.browser
CALLS = "**/v1/terminals/*/invitations"
PORTAL = {"content_type": "text/html", "body": "<html>\n\n<body>请先登录</body></html>"}
PLAIN = {"content_type": "text/plain", "body": ": ok\n\n"}
FORBIDDEN = {"status": 403, "content_type": "text/html", "body": "<html>403 Forbidden</html>"}
EMPTY = {"content_type": "text/event-stream", "body": ""}


def state_of(one: Tablet) -> str:
    """What the quiet line says of the net."""
    return str(one.page.get_attribute("#net", "data-state"))


def meets(stand: Stand, chromium: Any, twin: Twin | None, **answer: Any) -> None:
    """AssertionError if a tablet takes this answer for its stream, or asks for it again without a pause."""
    with tablet(chromium, service_workers="block") as one:
        twin_of(one.page.context, twin)
        one.page.clock.install(time="2026-11-23T08:00:00+08:00")
        one.enrol(stand.link)
        asked: list[int] = []

        def handle(route: Any) -> None:
            asked.append(1)
            route.fulfill(**answer)

        one.page.route(CALLS, handle)
        one.page.clock.pause_at("2026-11-23T09:00:00+08:00")
        one.page.reload()
        wait_for(lambda: state_of(one) == "offline" and asked, 5, "the tablet to be offline")
        look(one)
        assert len(asked) == 1
        one.page.clock.run_for(1_000)
        wait_for(lambda: state_of(one) == "offline" and len(asked) == 2, 5, "another try")
        one.page.clock.run_for(900)
        look(one)
        assert len(asked) == 2, "the second pause is longer than the first"
        one.page.unroute(CALLS)
        one.page.clock.run_for(1_100)
        one.net("connected")


def look(one: Tablet) -> None:
    """The net has time for many requests: these are twenty, one after the other."""
    for _ in range(20):
        assert one.page.evaluate("fetch('/healthz').then((answer) => answer.status)") == 200


@pytest.mark.parametrize(
    "answer", [PORTAL, PLAIN, FORBIDDEN, EMPTY], ids=["portal", "plain", "forbidden", "empty"]
)
def test_what_is_no_stream_of_calls_is_no_connection(
    stand: Stand, chromium: Any, answer: dict[str, Any]
) -> None:
    meets(stand, chromium, None, **answer)


CREDULOUS: Twin = ("calls.js", "return answer.ok && /^text", "return answer.ok || /^text")
HASTY: Twin = ("calls.js", "    if (!begun) throw", "    if (false) throw")


@pytest.mark.parametrize(("twin", "answer"), [(CREDULOUS, PLAIN), (HASTY, EMPTY)], ids=["credulous", "hasty"])
def test_a_tablet_that_takes_it_for_one_goes_red(
    stand: Stand, chromium: Any, twin: Twin, answer: dict[str, str]
) -> None:
    with pytest.raises(AssertionError):
        meets(stand, chromium, twin, **answer)


def test_it_says_connected_once_it_has_heard_something(
    stand: Stand, one: Tablet, monkeypatch: pytest.MonkeyPatch
) -> None:
    speak, end = threading.Event(), threading.Event()

    async def silent(*_: object) -> AsyncIterator[bytes]:
        await asyncio.to_thread(speak.wait, 20)
        yield b": \n\n"
        await asyncio.to_thread(end.wait, 20)

    monkeypatch.setattr(routes, "heard", silent)
    with one.page.expect_response(CALLS):
        one.page.reload()
    look(one)
    assert state_of(one) == "starting"
    speak.set()
    one.net("connected")
    end.set()
