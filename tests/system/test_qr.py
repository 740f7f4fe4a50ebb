"""From a code on the wall to the desk: scanned, reviewed, folded, and followed up with the receipt."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import sync_playwright

from consumers.desk.app import create as create_desk
from producers.gateway.app import create as create_gateway
from producers.gateway.way_in import WayIn
from producers.qr.making import About, place
from producers.tokens import Claims, Kind
from schemas.codes import Channel
from schemas.receipt import event_of
from tests.browser.chromium import ARGS, CHROMIUM
from tests.browser.test_qr import PHONE, choose, submit, thanked
from tests.harness import System, case
from tests.producers.qr.walls import DEPT, WINDOW, case_claims
from tests.serving import served
from tests.wait import wait_for

pytestmark = [pytest.mark.system, pytest.mark.browser]


class County:
    """Gateway, worker and desk of one stack, and a phone."""

    def __init__(self, system: System, way_in: WayIn, gateway: str, desk: str, phone: Any) -> None:
        self.system, self.way_in = system, way_in
        self.gateway, self.desk, self.phone = gateway, desk, phone

    def review(self, event_id: str, columns: str) -> Any:
        """These columns of a review, once the ledger has it."""
        asked = f"select {columns} from review where event_id = :id"
        (row,) = wait_for(lambda: self.system.ask(asked, id=event_id), 40, "the review in the ledger")
        return row

    def scan(self, claims: Claims) -> None:
        token = self.way_in.tokens.make(claims, datetime.now(UTC) + timedelta(days=1))
        self.phone.goto(f"{self.gateway}/r/{token}")

    def ticket(self, event_id: str) -> Any:
        """Id, department and case of the review's ticket, once it is there."""
        asked = "select ticket_id, dept_code, case_no from ticket where event_id = :id"
        (row,) = wait_for(lambda: self.system.ask(asked, id=event_id), 40, "the ticket")
        return row


@pytest.fixture
def county(system: System) -> Iterator[County]:
    system.settings.gateway.spool_dir = system.folder / "spool"
    gateway = create_gateway(system.settings)
    with (
        served(gateway) as gateway_at,
        served(create_desk(system.settings)) as desk_at,
        system.worker(),
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        size = {"width": PHONE[0], "height": PHONE[1]}
        phone = browser.new_page(viewport=size, locale="zh-CN")
        yield County(system, gateway.state.way_in, gateway_at, desk_at, phone)
        browser.close()


def test_a_bad_review_at_a_window_is_a_ticket_on_the_desk(county: County) -> None:
    phone = county.phone
    county.scan(WINDOW)
    choose(phone, 1)
    phone.get_by_label("服务态度差效率低").check()
    phone.get_by_label("您还想说的话").fill("跑了三趟")
    phone.get_by_text("留下联系方式").click()
    phone.get_by_label("电话").fill("13800135678")
    submit(phone)
    number = thanked(phone)
    ticket_id, dept_code, case_no = county.ticket(event_of(number))
    assert (dept_code, case_no) == (DEPT.code, "")

    phone.goto(f"{county.desk}/tickets/{ticket_id}")
    told = phone.inner_text("main")
    assert all(
        words in told for words in ("非常不满意", "服务态度差效率低", "跑了三趟", "W03", "实名", "二维码")
    )
    assert "13800135678" not in phone.content()

    phone.goto(f"{county.gateway}/r/receipt?number={number}")
    assert phone.get_by_role("heading", name="已转交承办部门").is_visible()
    assert DEPT.name in phone.inner_text("main")
    sealed, mark = county.system.ask("select reviewer, reviewer_mark from review")[0]
    assert county.way_in.sealer.open_reviewer(event_of(number), sealed).phone == "13800135678"
    assert mark == county.way_in.sealer.mark("13800135678")


def test_a_case_link_meets_its_case(county: County) -> None:
    county.system.send(case("MX20261123000451"))
    county.scan(case_claims(county.way_in.tokens, "MX20261123000451", Channel.SMS))
    choose(county.phone, 5)
    submit(county.phone)
    number = thanked(county.phone)
    asked = "select outcome from service where case_no = 'MX20261123000451' and outcome is not null"
    assert wait_for(lambda: county.system.ask(asked), 40, "the match") == [("matched",)]
    assert county.system.ask("select channel, event_id from review") == [("sms", event_of(number))]
    county.phone.goto(f"{county.gateway}/r/receipt?number={number}")
    assert county.phone.get_by_role("heading", name="您的评价已收到").is_visible()


PLACES = {
    Kind.WINDOW: ("W03", "window_code"),
    Kind.HALL: ("H1", "hall_code"),
    Kind.ITEM: (DEPT.item_code(1), "item_code"),
    Kind.DEPARTMENT: (DEPT.code, "dept_code"),
    Kind.PERSON: ("S021", "staff_id"),
}


def test_whatever_a_code_hangs_on_is_what_its_review_is_about(county: County) -> None:
    assert set(PLACES) == set(Kind)
    for kind, (code, column) in PLACES.items():
        county.scan(place(kind, code, About(name=f"名称 {kind}")))
        assert county.phone.get_by_text(f"名称 {kind}").is_visible()
        choose(county.phone, 2)
        submit(county.phone)
        event_id = event_of(thanked(county.phone))
        assert county.review(event_id, f"channel, {column}, case_no") == ("qr", code, "")
        _, dept_code, _ = county.ticket(event_id)
        assert (dept_code == DEPT.code) == (kind in {Kind.ITEM, Kind.DEPARTMENT}), "others name no department"
