"""The page behind a code in a real browser: a phone and a tablet, with and without scripts, by keyboard, offline, twice as large."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe

from producers.qr.sheet import Hall, cards, sheet
from producers.tokens import Claims
from schemas.receipt import event_of
from tests import serving
from tests.browser.chromium import SHOTS
from tests.producers.gateway.house import House, house
from tests.producers.qr.walls import WINDOW, case_claims
from tests.producers.spool.test_full import until_full

pytestmark = pytest.mark.browser
PHONE, TABLET = (360, 780), (820, 1180)
MAX_BYTES = 60_000
FINGER = 48
SPOOL_BYTES = 2**20
"""Small, so that it is soon full."""


class Served:
    """A gateway on a port of its own; links to its pages."""

    def __init__(self, gateway: House, address: str) -> None:
        self.gateway, self.address = gateway, address

    def link(self, claims: Claims = WINDOW, days: float = 1) -> str:
        expires = self.gateway.clock() + timedelta(days=days)
        return f"{self.address}/r/{self.gateway.way_in.tokens.make(claims, expires)}"

    def case(self, case_no: str = "MX1") -> str:
        return self.link(case_claims(self.gateway.way_in.tokens, case_no))

    @property
    def reviews(self) -> list[dict[str, Any]]:
        return self.gateway.values()


@contextmanager
def served_from(folder: Path, **gateway: Any) -> Iterator[Served]:
    with house(folder, **gateway) as made, serving.served(made.app, "off") as address:
        yield Served(made, address)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with served_from(tmp_path, address_per_minute=500, token_per_minute=100, spool_bytes=SPOOL_BYTES) as made:
        yield made


@contextmanager
def page_of(chromium: Any, size: tuple[int, int] = PHONE, **more: Any) -> Iterator[Any]:
    """A page on which nothing may go wrong and nothing may come from elsewhere."""
    width, height = size
    context = chromium.new_context(viewport={"width": width, "height": height}, locale="zh-CN", **more)
    made = context.new_page()
    asked: list[str] = []
    complaints: list[str] = []
    made.on("request", lambda request: asked.append(request.url))
    made.on("console", lambda message: complaints.append(message.text))
    made.on("pageerror", lambda error: complaints.append(str(error)))
    yield made
    context.close()
    assert {urlsplit(url).hostname for url in asked if not url.startswith("data:")} == {"127.0.0.1"}
    assert [said for said in complaints if "Failed to load resource" not in said] == []


@pytest.fixture
def phone(chromium: Any) -> Iterator[Any]:
    with page_of(chromium) as made:
        yield made


def choose(page: Any, level: int) -> None:
    page.locator(f"label[for=level-{level}]").click()


def submit(page: Any) -> None:
    page.get_by_role("button", name="提交评价").click()


def thanked(page: Any) -> str:
    """The receipt number of the thanks page."""
    page.get_by_role("heading", name="感谢您的评价").wait_for()
    return str(page.locator(".number").inner_text())


def test_from_the_code_to_the_receipt(served: Served, phone: Any) -> None:
    phone.goto(served.link())
    assert phone.locator(".reason:visible").count() == 0
    choose(phone, 5)
    assert phone.locator(".reason:visible").count() == 8
    choose(phone, 1)
    assert phone.locator(".reason:visible").count() == 8
    phone.get_by_label("服务态度差效率低").check()
    phone.get_by_label("您还想说的话").fill("跑了三趟")
    submit(phone)
    number = thanked(phone)
    assert urlsplit(phone.url).path.endswith("/thanks")
    (review,) = served.reviews
    assert (review["satisfaction"], review["reason_codes"], review["comment"]) == (1, ["115"], "跑了三趟")
    assert review["event_id"] == event_of(number)
    phone.get_by_role("link", name="查询处理情况").click()
    phone.get_by_role("heading", name="您的评价已收到").wait_for()


@pytest.mark.parametrize("size", [PHONE, TABLET])
def test_without_scripts(served: Served, chromium: Any, size: tuple[int, int]) -> None:
    with page_of(chromium, size, java_script_enabled=False) as page:
        page.goto(served.link())
        submit(page)
        assert page.get_by_role("link", name="请选择您的满意程度").is_visible()
        choose(page, 2)
        page.get_by_text("服务态度生硬").click()
        page.get_by_text("留下联系方式").click()
        page.get_by_label("电话").fill("12345")
        submit(page)
        assert page.locator("#phone-mistake").is_visible()
        assert page.get_by_label("服务态度生硬").is_checked()
        page.get_by_label("电话").fill("13800135678")
        submit(page)
        assert event_of(thanked(page)) == served.reviews[0]["event_id"]
        assert (len(served.reviews), served.reviews[0]["real_name"]) == (1, True)


def test_by_keyboard_alone(served: Served, phone: Any) -> None:
    phone.goto(served.link())
    press = phone.keyboard.press

    def focused() -> str:
        return str(phone.evaluate("document.activeElement.id || document.activeElement.name"))

    press("Tab")
    assert focused() == "level-5"
    press("Space")
    for _ in range(3):
        press("ArrowDown")
    assert phone.locator("#level-2").is_checked()
    press("Tab")
    press("Space")
    assert phone.locator("[name=reasons]:checked").count() == 1
    ring = phone.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert ring == "solid"
    while focused() != "comment":
        press("Tab")
    phone.keyboard.type("窗口没有人")
    press("Tab")
    press("Enter")
    press("Tab")
    assert focused() == "name"
    for _ in range(3):
        press("Tab")
    press("Enter")
    thanked(phone)
    assert phone.evaluate("document.activeElement.tagName") == "H1", "a screen reader is told where it is"
    assert served.reviews[0]["comment"] == "窗口没有人"


def test_a_mistake_is_told_where_the_reader_is(served: Served, phone: Any) -> None:
    phone.goto(served.link())
    phone.get_by_text("留下联系方式").click()
    phone.get_by_label("身份证号码").fill("123")
    submit(phone)
    phone.locator(".summary:visible").wait_for()
    assert "请核对 2 处内容" in phone.evaluate("document.activeElement.innerText")
    assert phone.title().startswith("请核对")
    phone.get_by_role("link", name=re.compile("身份证")).click()
    assert phone.evaluate("document.activeElement.id") == "id_number"
    assert phone.get_by_label("身份证号码").get_attribute("aria-describedby") == "id_number-mistake"


@pytest.mark.parametrize("scripts", [True, False])
def test_two_quick_clicks_are_one_review(served: Served, chromium: Any, scripts: bool) -> None:
    with page_of(chromium, java_script_enabled=scripts) as page:
        page.goto(served.link())
        choose(page, 3)
        page.get_by_role("button", name="提交评价").dblclick()
        thanked(page)
        page.go_back()
        page.wait_for_load_state()
        assert len(served.reviews) == 1


def test_offline_nothing_is_lost(served: Served, phone: Any) -> None:
    offline(served, phone)
    assert served.reviews == []
    phone.context.set_offline(False)
    submit(phone)
    thanked(phone)
    assert [review["comment"] for review in served.reviews] == [WORDS]


def test_a_net_that_never_answers_is_told_and_nothing_is_lost(served: Served, phone: Any) -> None:
    phone.clock.install()
    fill_in(served, phone)
    phone.route("**/r/*", lambda _: None)
    submit(phone)
    phone.get_by_role("button", name="正在提交").wait_for()
    phone.clock.run_for(29_000)
    assert not phone.locator("#trouble").is_visible()
    phone.clock.run_for(2_000)
    phone.get_by_role("heading", name="现在连不上网络").wait_for()
    assert is_kept(phone)
    phone.unroute("**/r/*")
    submit(phone)
    thanked(phone)


@pytest.mark.parametrize("scripts", [True, False])
def test_a_full_spool_keeps_the_form(served: Served, chromium: Any, scripts: bool) -> None:
    with page_of(chromium, java_script_enabled=scripts) as page:
        full(served, page)
        assert "12345" in page.locator(".summary:visible").inner_text(), "there are other ways"


def test_too_many_tries_keep_the_form(tmp_path: Path, phone: Any) -> None:
    with served_from(tmp_path, token_per_minute=1) as served:
        for _ in range(2):
            phone.goto(served.link())
            choose(phone, 4)
            phone.get_by_label("您还想说的话").fill("不错")
            submit(phone)
            phone.locator("#trouble:visible, .number").wait_for()
        assert phone.get_by_role("heading", name="请稍等一会儿").is_visible()
        assert phone.get_by_label("您还想说的话").input_value() == "不错"
        assert len(served.reviews) == 1


def test_the_second_try_and_the_follow_up(served: Served, phone: Any) -> None:
    phone.goto(served.case())
    choose(phone, 1)
    submit(phone)
    number = thanked(phone)
    phone.goto(served.case())
    assert phone.get_by_role("heading", name="您已经评价过了").is_visible()
    assert phone.locator(".number").inner_text() == number
    phone.get_by_role("link", name="追加评价").click()
    phone.get_by_role("heading", name="追加评价").wait_for()
    choose(phone, 4)
    submit(phone)
    thanked(phone)
    assert [review.get("review_no", 1) for review in served.reviews] == [1, 2]


def test_all_of_it_is_light(served: Served, phone: Any) -> None:
    session = phone.context.new_cdp_session(phone)
    session.send("Network.enable")
    sizes: list[float] = []
    session.on("Network.loadingFinished", lambda done: sizes.append(done["encodedDataLength"]))
    phone.goto(served.link())
    phone.wait_for_load_state("networkidle")
    assert len(sizes) == 1, "one response is all it takes"
    assert 5_000 < sum(sizes) < MAX_BYTES


@pytest.mark.parametrize("size", [PHONE, TABLET])
def test_targets_are_large_enough_for_a_finger(served: Served, chromium: Any, size: tuple[int, int]) -> None:
    with page_of(chromium, size) as page:
        page.goto(served.link())
        choose(page, 1)
        page.get_by_text("留下联系方式").click()
        boxes = [
            box.bounding_box()
            for box in page.locator("button, .level, .reason:visible, summary, .field input, textarea").all()
        ]
        assert len(boxes) == 1 + 5 + 8 + 1 + 3 + 1
        assert all(box["height"] >= FINGER and box["width"] >= FINGER for box in boxes)


def keep(page: Any, name: str) -> None:
    """Keep what the page looks like, if somebody wants to see it."""
    if SHOTS:
        page.screenshot(path=str(Path(SHOTS) / f"{name}.png"), full_page=True)


WORDS = "写了很久的话"


def fill_in(served: Served, page: Any) -> None:
    page.goto(served.link())
    choose(page, 2)
    page.get_by_text("服务态度生硬").click()
    page.get_by_label("您还想说的话").fill(WORDS)


def is_kept(page: Any) -> bool:
    """Whether what was filled in is still there."""
    chosen = (page.locator("#level-2"), page.get_by_label("服务态度生硬"))
    words = page.get_by_label("您还想说的话").input_value()
    return words == WORDS and all(one.is_checked() for one in chosen)


def choosing(served: Served, page: Any) -> None:
    page.goto(served.link())


def reasons(served: Served, page: Any) -> None:
    page.goto(served.link())
    choose(page, 1)
    page.get_by_label("服务态度差效率低").check()
    page.get_by_text("留下联系方式").click()


def mistaken(served: Served, page: Any) -> None:
    page.goto(served.link())
    page.get_by_text("留下联系方式").click()
    page.get_by_label("电话").fill("12345")
    submit(page)
    page.locator("#level-mistake").wait_for()


def thanks(served: Served, page: Any) -> None:
    page.goto(served.case("MX-thanks"))
    choose(page, 2)
    submit(page)
    thanked(page)


def again(served: Served, page: Any) -> None:
    thanks(served, page)
    page.goto(served.case("MX-thanks"))


def follow_up(served: Served, page: Any) -> None:
    again(served, page)
    page.get_by_role("link", name="追加评价").click()
    page.get_by_role("heading", name="追加评价").wait_for()


def expired(served: Served, page: Any) -> None:
    page.goto(served.link(days=-1))


def damaged(served: Served, page: Any) -> None:
    page.goto(served.link()[:-3])


def receipt(served: Served, page: Any) -> None:
    page.goto(f"{served.address}/r/receipt?number=0000-0000-0000")


def full(served: Served, page: Any) -> None:
    spool = served.gateway.way_in.spool
    until_full(spool, "large")
    until_full(spool, "small", b"{}")
    fill_in(served, page)
    submit(page)
    page.get_by_role("heading", name="现在暂时不能接收").wait_for()
    assert is_kept(page)


def offline(served: Served, page: Any) -> None:
    fill_in(served, page)
    page.context.set_offline(True)
    submit(page)
    page.get_by_role("heading", name="现在连不上网络").wait_for()
    assert is_kept(page)


State = Callable[[Served, Any], None]
STATES: list[State] = [
    choosing,
    reasons,
    mistaken,
    full,
    offline,
    thanks,
    again,
    follow_up,
    expired,
    damaged,
    receipt,
]


def problems_of(page: Any) -> list[str]:
    """What axe-core finds wrong, and what sticks out sideways."""
    found = Axe().run(page)
    said = [f"{one['id']}: {one['nodes'][0]['html'][:80]}" for one in found.response["violations"]]
    wide = page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
    return [*said, *(["sticks out"] if wide else [])]


@pytest.mark.parametrize("size", [PHONE, TABLET], ids=["phone", "tablet"])
@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
def test_everybody_can_read_it(served: Served, chromium: Any, state: State, size: tuple[int, int]) -> None:
    with page_of(chromium, size) as page:
        state(served, page)
        keep(page, f"{state.__name__}-{size[0]}")
        assert problems_of(page) == []
        page.evaluate("document.documentElement.style.fontSize = '200%'")
        keep(page, f"{state.__name__}-{size[0]}-large")
        assert problems_of(page) == [], "with text of twice the size"


def test_axe_would_see_it(served: Served, phone: Any) -> None:
    """The twin: pale text and a wide box do not pass."""
    phone.goto(served.link())
    phone.evaluate(
        "document.querySelector('h1').style.color = '#ddd'; document.querySelector('h1').style.width = '900px'"
    )
    found = problems_of(phone)
    assert [problem.partition(":")[0] for problem in found] == ["color-contrast", "sticks out"]


@pytest.mark.parametrize(("windows", "pages"), [(1, 1), (4, 1), (5, 2), (8, 2)])
def test_the_sheet_is_four_cards_on_a4(
    served: Served, chromium: Any, tmp_path: Path, windows: int, pages: int
) -> None:
    expires = served.gateway.clock() + timedelta(days=365)
    hall = Hall("H1", "眉县政务服务中心")
    printed = cards(served.gateway.way_in.tokens, served.address, hall, [WINDOW] * windows, expires)
    zone = served.gateway.settings.rules.policy().zone
    file = tmp_path / "sheet.html"
    file.write_text(sheet(hall, printed, expires, zone), encoding="utf-8")
    page = chromium.new_page(viewport={"width": 820, "height": 1160})
    page.goto(file.as_uri())
    keep(page, f"sheet-{windows}")
    boxes = [page.locator("svg").nth(n).bounding_box() for n in range(windows)]
    assert all(box["width"] >= 280 for box in boxes), "7.5 cm at 96 dots an inch"
    pdf = page.pdf(prefer_css_page_size=True)
    page.close()
    assert len(re.findall(rb"/Type /Page\b", pdf)) == pages
    assert set(re.findall(rb"/MediaBox \[0 0 (\d+)[.\d]* (\d+)", pdf)) == {(b"594", b"841")}
