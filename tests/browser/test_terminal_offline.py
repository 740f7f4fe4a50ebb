"""The terminal without the net: what was said is kept, through kills and lost answers, and arrives once, in its chain."""

from contextlib import suppress
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
from playwright.sync_api import Error

from producers.screen import shell
from producers.screen.shell import HERE
from tests.browser.tablet import Tablet, Twin, fill_storage, kept_tablet, kill, tablet, twin_of
from tests.producers.terminal.stand import Stand, unbroken
from tests.wait import wait_for

pytestmark = pytest.mark.browser
EVENTS = "**/v1/events"


def emptied(one: Tablet) -> None:
    wait_for(lambda: one.counts()["waiting"] == 0, what="the queue to be empty")


def shell_is_kept(one: Tablet) -> None:
    one.page.evaluate("navigator.serviceWorker.ready.then(() => true)")


def test_five_hundred_reviews_without_the_net_and_two_kills(
    stand: Stand, playwright: Any, tmp_path: Path
) -> None:
    profile = tmp_path / "tablet"
    with kept_tablet(playwright, profile) as one:
        one.enrol(stand.link)
        shell_is_kept(one)
        stand.close()
        one.page.reload()
        one.net("offline")
        for level in (5, 1, 3):
            one.judge(level)
            one.shows("idle")
        one.keep(497)
        kill(profile)
    with kept_tablet(playwright, profile) as one:
        one.page.goto(stand.page)
        one.shows("idle")
        one.net("offline")
        one.page.get_by_text("待发送 500 条").wait_for()
        stand.open()
        lose_an_answer(one, profile)
    assert 0 < len(stand.reviews()) < 500
    with kept_tablet(playwright, profile) as one:
        one.page.goto(stand.page)
        one.net("connected")
        emptied(one)
        one.judge(4)
        emptied(one)
    unbroken(stand, 501)


def lose_an_answer(one: Tablet, profile: Path) -> None:
    """The gateway takes a batch; the browser is killed before it hears of it."""
    taken: list[int] = []

    def handle(route: Any) -> None:
        taken.append(route.fetch().status)
        kill(profile)

    one.page.route(EVENTS, handle)
    wait_until_killed(one)
    assert taken == [202]


def wait_until_killed(one: Tablet) -> None:
    with pytest.raises(Error):
        one.page.wait_for_timeout(60_000)


def kills_while_sending(stand: Stand, playwright: Any, profile: Path, twin: Twin | None) -> None:
    """AssertionError if a review is lost, or there twice, by the time the queue is empty."""
    for state in ("kept", "sending", "sent"):
        with kept_tablet(playwright, profile, service_workers="block") as one:
            twin_of(one.page.context, twin)
            if state == "kept":
                one.page.route(EVENTS, lambda route: route.abort())
                one.enrol(stand.link)
                one.keep(150)
                kill(profile)
            elif state == "sending":
                one.page.route(EVENTS, lambda _: kill(profile))
                with suppress(Error):
                    one.page.goto(stand.page)
                wait_until_killed(one)
            else:
                one.enrol(stand.page)
                emptied(one)
    unbroken(stand, 150)


EAGER: Twin = (
    "forward.js",
    "    const answer = await this.gateway.ask(",
    "    await queue.acknowledged(events);\n    const answer = await this.gateway.ask(",
)


def test_a_kill_while_sending_loses_nothing(stand: Stand, playwright: Any, tmp_path: Path) -> None:
    kills_while_sending(stand, playwright, tmp_path / "tablet", None)


def test_a_queue_that_lets_go_before_the_answer_goes_red(
    stand: Stand, playwright: Any, tmp_path: Path
) -> None:
    with pytest.raises(AssertionError):
        kills_while_sending(stand, playwright, tmp_path / "tablet", EAGER)


def cannot_keep_one(stand: Stand, chromium: Any, twin: Twin | None) -> None:
    """AssertionError if a review that could not be kept leaves a hole in the chain."""
    with tablet(chromium, service_workers="block") as one:
        twin_of(one.page.context, twin)
        one.enrol(stand.link)
        one.keep(1)
        fill_storage(one)
        with pytest.raises(Error):
            one.keep(1)
        one.page.reload()
        one.net("connected")
        one.keep(1)
        one.page.reload()
        one.net("connected")
        emptied(one)
    unbroken(stand, 2)


TOGETHER = """    kept.put(head, HEAD);
    await answer(transaction.objectStore("waiting").add(event));
    return true;
  });
"""
APART: Twin = (
    "queue.js",
    TOGETHER,
    """    kept.put(head, HEAD);
    return true;
  }).then((moved) => moved && change(["waiting"], async (transaction) => {
    await answer(transaction.objectStore("waiting").add(event));
    return true;
  }));
""",
)


def test_a_review_that_cannot_be_kept_leaves_no_hole(stand: Stand, chromium: Any) -> None:
    cannot_keep_one(stand, chromium, None)


def test_a_number_given_apart_from_its_event_goes_red(stand: Stand, chromium: Any) -> None:
    with pytest.raises(AssertionError):
        cannot_keep_one(stand, chromium, APART)


def two_pages_keep(stand: Stand, chromium: Any, twin: Twin | None) -> None:
    """AssertionError if what two pages of one tablet keep at the same moment is not one chain."""
    with tablet(chromium, service_workers="block") as one:
        twin_of(one.page.context, twin)
        one.enrol(stand.link)
        other = Tablet(one.page.context.new_page())
        other.page.goto(stand.page)
        other.net("connected")
        for page in (one.page, other.page):
            page.evaluate(KEEP_TWENTY)
        assert [page.evaluate("kept") for page in (one.page, other.page)] == [20, 20]
        other.page.close()
        one.page.reload()
        emptied(one)
    unbroken(stand, 40)


KEEP_TWENTY = """() => {
  window.kept = (async () => {
    const { append } = await import("/terminal/static/queue.js");
    const { review } = await import("/terminal/static/review.js");
    const said = { level: 5, reasons: [], comment: "" };
    const keep = () => append(review({ channel: "hall_tablet" }, undefined, said));
    const all = await Promise.allSettled(Array.from({ length: 20 }, keep));
    return all.filter(({ status }) => status === "fulfilled").length;
  })();
}"""
BLIND: Twin = (
    "queue.js",
    "    if (!same((await answer(kept.get(HEAD))) ?? BEGINNING, before)) return false;\n",
    "",
)


def test_two_pages_of_one_tablet_are_one_chain(stand: Stand, chromium: Any) -> None:
    two_pages_keep(stand, chromium, None)


def test_a_head_that_is_not_looked_at_again_goes_red(stand: Stand, chromium: Any) -> None:
    with pytest.raises(AssertionError):
        two_pages_keep(stand, chromium, BLIND)


def test_storage_that_is_full_is_said_and_nobody_is_thanked(stand: Stand, chromium: Any) -> None:
    with tablet(chromium) as one:
        one.page.clock.install()
        one.enrol(stand.link)
        fill_storage(one)
        one.touch("#begin")
        one.touch('[data-level="1"]')
        one.touch("#submit")
        one.page.get_by_role("heading", name="暂时不能接收评价").wait_for()
        one.page.clock.run_for(31_000)  # it looks whether it can again, and begins anew
        one.shows("idle")
        one.judge(1)
        emptied(one)
    unbroken(stand, 1)


def test_a_refused_review_is_set_aside_and_the_others_go(stand: Stand, one: Tablet) -> None:
    one.page.context.set_offline(True)
    one.judge(5)
    one.page.evaluate(
        """async () => {
          const { append } = await import("/terminal/static/queue.js");
          const { review } = await import("/terminal/static/review.js");
          await append(review({ channel: "kiosk" }, undefined, { level: 5, reasons: [], comment: "" }));
        }"""
    )
    one.shows("idle")
    one.judge(4)
    one.page.context.set_offline(False)
    one.page.get_by_text("1 条未被接收，请联系管理员").wait_for()
    assert one.counts() == {"waiting": 0, "refused": 1}
    assert [event["device_seq"] for event in stand.reviews()] == [1, 3]


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, "<html>请先登录</html>"),
        (200, '{"results": []}'),
        (202, '{"results": [{"status": 202, "event_id": "another"}]}'),
        (404, "not found"),
        (413, "too large"),
        (401, "{}"),
        (503, '{"type": "urn:hcp:problem:full"}'),
    ],
)
def test_an_answer_that_is_not_the_gateways_lets_nothing_go(
    stand: Stand, one: Tablet, status: int, body: str
) -> None:
    tries: list[int] = []

    def handle(route: Any) -> None:
        tries.append(status)
        route.fulfill(status=status, body=body)

    one.page.route(EVENTS, handle)
    one.judge(5)
    wait_for(lambda: one.counts() == {"waiting": 1, "refused": 0} and len(tries) > 1, what="another try")
    one.page.unroute(EVENTS)
    emptied(one)
    unbroken(stand, 1)


def test_a_batch_that_cannot_be_read_is_sent_event_by_event(stand: Stand, one: Tablet) -> None:
    def handle(route: Any) -> None:
        if '"device_seq":2' in route.request.post_data:
            route.fulfill(status=400, body='{"type": "urn:hcp:problem:invalid_event"}')
        else:
            route.continue_()

    one.page.route(EVENTS, handle)
    one.page.context.set_offline(True)
    one.keep(3)
    one.page.context.set_offline(False)
    one.page.get_by_text("1 条未被接收").wait_for()
    emptied(one)
    assert [event["device_seq"] for event in stand.reviews()] == [1, 3]


def test_a_new_version_waits_until_nobody_is_there(
    stand: Stand, chromium: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tablet(chromium) as one:
        one.page.clock.install()
        one.enrol(stand.link)
        shell_is_kept(one)
        stand.close()
        copytree(HERE / "static", tmp_path / "static")
        line = tmp_path / "static" / "line.js"
        line.write_text(line.read_text().replace("已连接", "已连接上"))
        monkeypatch.setattr(shell, "HERE", tmp_path)
        stand.open()
        one.page.evaluate("navigator.serviceWorker.getRegistration().then((found) => found.update())")
        wait_for(lambda: one.page.evaluate(WAITING), what="the new version")
        one.touch("#begin")
        one.page.clock.run_for(30_000)
        one.shows("faces")
        one.touch('[data-view="faces"] [data-leave]')
        one.page.clock.run_for(11_000)
        one.page.get_by_text("已连接上").wait_for()
        stand.close()
        one.page.reload()
        one.net("offline")
        stand.open()


WAITING = "navigator.serviceWorker.getRegistration().then((found) => Boolean(found.waiting))"
