"""The terminal's page in a real browser: enrolled, called, touched, left alone, seen."""

from collections.abc import Iterator
from time import monotonic
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from pipeline.signing import Signed
from tests.browser.tablet import TALL, WIDE, Tablet, Twin, fill_storage, tablet, twin_of
from tests.producers.gateway.house import SECRETS, SYSTEM, TERMINAL
from tests.producers.terminal.stand import Stand, unbroken
from tests.wait import wait_for

pytestmark = pytest.mark.browser


@pytest.fixture
def timed(stand: Stand, chromium: Any) -> Iterator[Tablet]:
    """An enrolled tablet whose time passes when it is told."""
    with tablet(chromium) as made:
        made.page.clock.install()
        made.enrol(stand.link)
        yield made


def kept_device(one: Tablet) -> dict[str, Any]:
    """What the browser has of the secret."""
    device: dict[str, Any] = one.page.evaluate(
        """async () => {
          const { current } = await import("/terminal/static/enrolment.js");
          const { id, keyId, key, ...rest } = await current();
          const raw = await crypto.subtle.exportKey("raw", key).then(() => true, () => false);
          return { id, keyId, readable: raw || key.extractable, others: Object.keys(rest) };
        }"""
    )
    return device


def test_a_tablet_that_nobody_has_enrolled_takes_nothing(stand: Stand, chromium: Any) -> None:
    with tablet(chromium) as one:
        one.page.goto(stand.page)
        one.shows("notice")
        assert one.page.get_by_role("heading", name="此评价器尚未登记").is_visible()
        assert one.page.get_by_role("button").count() == 0


def test_the_secret_stays_in_the_browser_and_cannot_be_read(stand: Stand, one: Tablet) -> None:
    assert one.page.url == stand.page
    device = kept_device(one)
    assert device == {"id": "terminal-1", "keyId": "k1", "readable": False, "others": ["profile"]}
    assert one.page.evaluate("JSON.stringify(localStorage)") == "{}"


def test_the_page_signs_as_everybody_does(stand: Stand, one: Tablet) -> None:
    """Whatever headers it sends, in whatever order and letters; a GET without any, too."""
    secret, path, body = SECRETS[TERMINAL], "/v1/events?a=b", "{}"
    for headers in ({}, {"Content-Type": "application/JSON; a=b", "ce-a1": "1", "CE-a": " 2 ", "x-ce": "3"}):
        sent = one.page.evaluate(
            """async ([path, body, headers]) => {
              const { current } = await import("/terminal/static/enrolment.js");
              const { signed } = await import("/terminal/static/signing.js");
              return signed(await current(), "POST", path, new TextEncoder().encode(body), headers, Date.now());
            }""",
            [path, body, headers],
        )
        told = Signed.of([(name.lower(), value) for name, value in sent.items()])
        assert told.version == "2"
        assert sent.items() >= headers.items()
        assert told.is_by(secret, "POST", path, body.encode())


@pytest.mark.parametrize("harm", ["&ticket=***", "&ticket="])
def test_a_damaged_link_is_told_and_the_enrolment_before_it_stays(
    stand: Stand, one: Tablet, harm: str
) -> None:
    one.page.goto("about:blank")
    one.page.goto(stand.link.partition("&")[0] + harm)
    one.page.get_by_role("heading", name="登记没有完成").wait_for()
    assert one.page.url == stand.page
    one.page.reload()
    one.net("connected")


def test_a_link_works_once_and_the_enrolment_stays(stand: Stand, chromium: Any) -> None:
    link = stand.link
    with tablet(chromium) as one, tablet(chromium) as another:
        one.enrol(link)
        another.page.goto(link)
        another.page.get_by_role("heading", name="登记没有完成").wait_for()
        assert "登记链接只能使用一次" in another.page.inner_text("#notice-words")
        assert "hcp device rotate" in another.page.inner_text("#notice-words")
        assert another.page.url == stand.page
        one.page.reload()
        one.net("connected")


def test_a_link_that_did_not_reach_the_gateway_is_not_used_up(stand: Stand, chromium: Any) -> None:
    with tablet(chromium) as one:
        one.page.clock.install()
        one.page.route("**/terminal/enrol", lambda route: route.abort())
        one.page.goto(stand.link)
        one.shows("starting")
        one.page.clock.run_for(20_000)
        one.page.get_by_text("连不上评价网关").wait_for()
        one.page.unroute("**/terminal/enrol")
        one.page.reload()
        one.net("connected")


def test_a_tablet_whose_key_is_not_known_says_so_and_keeps_asking(stand: Stand, chromium: Any) -> None:
    with tablet(chromium) as one:
        one.page.goto(stand.link_of("terminal-1", bytes(32)))
        one.net("refused")
        one.page.get_by_role("heading", name="此评价器的登记无效").wait_for()
        one.page.goto("about:blank")
        one.enrol(stand.link)


def test_another_device_may_not_take_over_while_reviews_wait(stand: Stand, one: Tablet) -> None:
    one.page.route("**/v1/events", lambda route: route.abort())
    one.judge(5)
    one.page.goto("about:blank")
    one.page.goto(stand.link_of("terminal-2", bytes(32)))
    one.shows("notice")
    assert "还有 1 条评价没有发送" in one.page.inner_text("#notice-words")
    assert kept_device(one)["id"] == "terminal-1"
    one.page.unroute("**/v1/events")
    one.page.reload()
    wait_for(stand.reviews, what="the review")
    wait_for(lambda: one.counts()["waiting"] == 0, what="the queue to be empty")
    one.page.goto("about:blank")
    one.page.goto(stand.link_of("terminal-2", bytes(32)))
    one.net("refused")
    assert kept_device(one)["id"] == "terminal-2"


def test_a_call_is_shown_within_a_second_and_its_review_arrives(stand: Stand, one: Tablet) -> None:
    began = monotonic()
    told = stand.invite(case_no="C7", service_no=2, item_name="企业登记", staff_id="S9", staff_name="王秀兰")
    one.shows("faces")
    assert monotonic() - began < 1
    assert told.json() == {"delivered": True}
    assert one.page.inner_text("#item") == "企业登记"
    assert one.page.inner_text("#staff") == "王秀兰"
    assert "C7" not in one.page.inner_text("body")
    one.touch('[data-level="2"]')
    one.touch('label:has([value="214"])')
    one.page.fill("#comment", " 等了很久 ")
    one.touch("#submit")
    one.shows("thanks")
    assert one.page.is_visible("#promise")
    (review,) = wait_for(stand.reviews, what="the review")
    said = {
        "case_no": "C7",
        "service_no": 2,
        "satisfaction": 2,
        "reason_codes": ["214"],
        "comment": "等了很久",
    }
    place = {"channel": "hall_tablet", "window_code": "W1", "hall_code": "H1", "dept_code": "D1"}
    assert review.items() >= (said | place | {"staff_id": "S9", "device_id": "terminal-1"}).items()
    unbroken(stand, 1)


def test_a_terminal_that_comes_late_still_hears_the_call_and_an_answered_one_no_more(
    stand: Stand, one: Tablet
) -> None:
    one.page.goto("about:blank")
    assert stand.invite().json() == {"delivered": False}
    one.page.goto(stand.page)
    one.shows("faces")
    one.touch('[data-level="5"]')
    one.touch("#submit")
    one.shows("thanks")
    assert not one.page.is_visible("#promise")
    one.page.reload()
    one.net("connected")
    one.shows("idle")
    stand.invite(item_name="下一位")
    one.shows("faces")


def test_without_a_call_the_window_is_reviewed(stand: Stand, one: Tablet) -> None:
    one.judge(5)
    (review,) = wait_for(stand.reviews, what="the review")
    assert "case_no" not in review
    assert review["window_code"] == "W1"


def test_a_newer_call_replaces_one_that_nobody_has_begun_to_answer(stand: Stand, one: Tablet) -> None:
    stand.invite(item_name="甲")
    one.page.get_by_text("甲", exact=True).wait_for()
    stand.invite(case_no="C2", item_name="乙")
    one.page.get_by_text("乙", exact=True).wait_for()
    one.touch('[data-level="4"]')
    one.touch("#submit")
    (review,) = wait_for(stand.reviews, what="the review")
    assert review["case_no"] == "C2"


def test_a_newer_call_waits_for_who_is_choosing_reasons(stand: Stand, one: Tablet) -> None:
    stand.invite(item_name="甲")
    one.shows("faces")
    one.touch('[data-level="1"]')
    stand.invite(case_no="C2", item_name="乙")
    stand.invite(case_no="C3", item_name="丙")
    one.touch("#submit")
    one.shows("thanks")
    one.page.get_by_text("丙", exact=True).wait_for(timeout=8_000)
    (review,) = stand.reviews()
    assert (review["case_no"], review["satisfaction"]) == ("C1", 1)


def goes_away(stand: Stand, chromium: Any, twin: Twin | None) -> None:
    """AssertionError if something is sent for a citizen who did not submit it."""
    with tablet(chromium, service_workers="block") as one:
        twin_of(one.page.context, twin)
        one.page.clock.install()
        one.enrol(stand.link)
        stand.invite()
        one.shows("faces")
        one.page.clock.run_for(50_000)
        one.shows("faces")
        one.touch('[data-level="5"]')
        one.page.clock.run_for(30_000)
        one.page.fill("#comment", "刚写到一半")
        one.page.clock.run_for(50_000)
        one.shows("reasons")
        assert 0 < int(one.page.inner_text('[data-view="reasons"] [data-left]')) <= 11
        one.page.clock.run_for(12_000)
        one.shows("idle")
        one.page.clock.run_for(120_000)
        assert one.counts() == {"waiting": 0, "refused": 0}
        assert stand.reviews() == []
        one.touch("#begin")
        one.touch('[data-level="5"]')
        assert one.page.input_value("#comment") == ""


PRAISE: Twin = ("screen.js", "() => this.leave());", "() => this.#submit());")
"""What some systems of this kind do: who says nothing is counted as satisfied."""


def test_who_goes_away_has_said_nothing(stand: Stand, chromium: Any) -> None:
    goes_away(stand, chromium, None)


def test_praise_by_default_goes_red(stand: Stand, chromium: Any) -> None:
    with pytest.raises(AssertionError):
        goes_away(stand, chromium, PRAISE)


def test_who_says_no_has_said_nothing(stand: Stand, one: Tablet) -> None:
    one.touch("#begin")
    one.page.get_by_role("button", name="不评价").tap()
    one.shows("idle")
    assert one.counts() == {"waiting": 0, "refused": 0}


def test_another_face_keeps_the_words_and_not_the_reasons_of_the_one_before(
    stand: Stand, one: Tablet
) -> None:
    one.touch("#begin")
    one.touch('[data-level="1"]')
    one.touch('label:has([value="115"])')
    one.page.fill("#comment", "其实很好")
    one.touch("#back")
    one.touch('[data-level="5"]')
    one.touch("#submit")
    (review,) = wait_for(stand.reviews, what="the review")
    assert (review["satisfaction"], review.get("reason_codes", []), review["comment"]) == (5, [], "其实很好")


def test_by_keyboard_nothing_comes_into_the_address(stand: Stand, one: Tablet) -> None:
    one.touch("#begin")
    one.touch('[data-level="1"]')
    one.page.fill("#comment", "键盘")
    one.page.focus('[value="115"]')
    one.page.keyboard.press("Space")
    one.page.keyboard.press("Enter")
    one.shows("thanks")
    assert one.page.url == stand.page
    (review,) = wait_for(stand.reviews, what="the review")
    assert (review["reason_codes"], review["comment"]) == (["115"], "键盘")


def test_the_thanks_stay_for_five_seconds(stand: Stand, timed: Tablet) -> None:
    timed.judge(5)
    timed.page.clock.run_for(4_500)
    timed.shows("thanks")
    timed.page.clock.run_for(1_000)
    timed.shows("idle")


def test_a_wrong_clock_does_not_keep_it_from_sending(stand: Stand, chromium: Any) -> None:
    with tablet(chromium) as one:
        one.page.clock.install(time="2026-01-01T08:00:00+08:00")
        one.enrol(stand.link)
        one.page.get_by_text("本机时间有误").wait_for()
        one.judge(5)
        (review,) = wait_for(stand.reviews, what="the review")
        assert review["submitted_at"].startswith("2026-01-01T00:00")  # by the sender's clock


VOICE = """
window.spoken = [];
window.SpeechSynthesisUtterance = function (words) { this.words = words; };
Object.defineProperty(window, "speechSynthesis", { value: {
  getVoices: () => [{ lang: "en-US" }, { lang: "zh-CN" }],
  addEventListener() {}, cancel() {}, speak: ({ words, lang }) => spoken.push([words, lang]),
}});
"""


def test_the_voice_asks_and_thanks_until_it_is_switched_off(stand: Stand, chromium: Any) -> None:
    with tablet(chromium) as one:
        one.page.add_init_script(VOICE)
        one.enrol(stand.link)
        one.judge(5)
        assert one.page.evaluate("spoken") == [
            ["请您对本次服务作出评价。", "zh-CN"],
            ["感谢您的评价。", "zh-CN"],
        ]
        one.page.get_by_role("button", name="语音开").tap()
        one.page.reload()
        one.page.get_by_role("button", name="语音关").wait_for()
        one.judge(4)
        assert one.page.evaluate("spoken") == []


def test_without_a_chinese_voice_there_is_no_switch(one: Tablet) -> None:
    assert not one.page.is_visible("#voice")


@pytest.mark.parametrize("size", [WIDE, TALL])
def test_every_view_is_accessible_large_and_whole(stand: Stand, chromium: Any, size: tuple[int, int]) -> None:
    with tablet(chromium, size) as one:
        one.page.goto(stand.page)
        one.shows("notice")
        look_at(one, "unenrolled")
        one.page.goto("about:blank")
        one.enrol(stand.link)
        look_at(one, "idle")
        stand.invite(item_name="企业投资项目备案及变更登记（含外商投资）", staff_name="王秀兰")
        one.shows("faces")
        look_at(one, "faces")
        faces = [button.bounding_box() for button in one.page.locator("[data-level]").all()]
        assert min(min(face["width"], face["height"]) for face in faces) >= 160
        for level in (5, 4, 3, 1, 2):
            one.touch(f'[data-level="{level}"]')
            one.touch(f'[data-of="{level}"] label:nth-of-type(3)')
            look_at(one, f"reasons-{level}")
            if level != 2:
                one.touch("#back")
        one.touch("#submit")
        one.shows("thanks")
        look_at(one, "thanks")
        one.shows("idle")
        one.page.context.set_offline(True)
        one.judge(1)
        one.net("offline")
        one.shows("idle")
        look_at(one, "offline")


@pytest.mark.parametrize("size", [WIDE, TALL])
def test_what_keeps_it_from_working_is_accessible_large_and_whole(
    stand: Stand, chromium: Any, size: tuple[int, int]
) -> None:
    with tablet(chromium, size) as one:
        one.page.route("**/main.js", lambda route: route.abort())
        one.page.goto(stand.page)
        look_at(one, "starting")
        one.page.unroute("**/main.js")
        one.page.goto("about:blank")
        one.page.goto(stand.link[:-3])
        one.page.get_by_role("heading", name="登记没有完成").wait_for()
        look_at(one, "damaged-link")
        one.page.goto("about:blank")
        one.enrol(stand.link)
        one.page.route("**/v1/events", lambda route: route.fulfill(status=422, body=NEVER))
        one.judge(5)
        one.page.get_by_text("1 条未被接收").wait_for()
        one.shows("idle")
        look_at(one, "review-refused")
        one.page.goto("about:blank")
        one.page.goto(stand.link_of("terminal-1", bytes(32)))
        one.page.get_by_role("heading", name="此评价器的登记无效").wait_for()
        look_at(one, "refused")


NEVER = '{"type": "urn:hcp:problem:invalid_event"}'


@pytest.mark.parametrize("size", [WIDE, TALL])
def test_a_full_tablet_with_everything_wrong_is_accessible_large_and_whole(
    stand: Stand, chromium: Any, size: tuple[int, int]
) -> None:
    with tablet(chromium, size) as one:
        one.page.add_init_script(VOICE)
        one.page.clock.install(time="2026-01-01T08:00:00+08:00")
        one.enrol(stand.link)
        one.page.get_by_text("本机时间有误").wait_for()
        look_at(one, "clock-wrong")
        one.page.route("**/v1/events", lambda route: route.fulfill(status=422, body=NEVER))
        one.judge(5)
        one.page.get_by_text("1 条未被接收").wait_for()
        one.page.clock.run_for(6_000)
        one.shows("idle")
        one.page.context.set_offline(True)
        one.net("offline")
        fill_storage(one)
        one.touch("#begin")
        one.touch('[data-level="1"]')
        one.touch("#submit")
        one.page.get_by_role("heading", name="暂时不能接收评价").wait_for()
        look_at(one, "full")


def look_at(one: Tablet, name: str) -> None:
    """Nothing that axe objects to, nothing that has to be scrolled to."""
    one.shoot(f"terminal-{name}")
    found = Axe().run(one.page)
    assert found.violations_count == 0, found.generate_report()
    hidden = "[document.documentElement, document.querySelector('main')].some((box) => box.scrollHeight > box.clientHeight || box.scrollWidth > box.clientWidth)"
    assert not one.page.evaluate(hidden), name


def test_a_system_is_no_terminal(stand: Stand, chromium: Any) -> None:
    with tablet(chromium) as one:
        one.page.goto(stand.link_of(SYSTEM, SECRETS[SYSTEM]))
        one.net("refused")
