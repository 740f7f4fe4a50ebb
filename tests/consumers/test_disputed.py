"""A service of which several departments say something, on the desk; and its tickets, new or in somebody's hands."""

from typing import Any

import pytest
from sqlalchemy import text

from pipeline.ledger.engine import engine
from pipeline.settings import Settings
from schemas.topics import Stream
from tests.consumers.filling import POLICE, TAX, add, bad_review, fill, police_case
from tests.consumers.test_desk import client_of, detail, links, tell

pytestmark = pytest.mark.system


def day(time: str) -> str:
    return f"2026-06-09T{time}:00+08:00"


def tax_case(case_no: str, at: str) -> dict[str, Any]:
    return police_case(case_no, dept_code=TAX.code, item_code=TAX.item_code(1), received_at=day(at))


def told(settings: Settings) -> int:
    pool = engine(settings.database, "test")
    with pool.connect() as connection:
        steps = connection.scalar(text("select count(*) from outbox where stream = 'ticket.v1'"))
    pool.dispose()
    return int(steps or 0)


def test_it_shows_who_says_what_of_it_since_when(ledger: Settings) -> None:
    fill(ledger, police_case("C-1", received_at=day("09:30")), bad_review("C-1", comment="窗口"))
    add(ledger, Stream.CASE, 1, tax_case("C-1", "09:40"), tax_case("C-1", "09:50"), sender="/system/tax")
    page = detail(client_of(ledger), "窗口")
    said = page[page.index("各方报送") :]
    assert f"{POLICE.name}，以此为准" in said
    assert "报送系统 test，1 个版本，最早 2026年6月9日 09:30" in said
    assert said.index(POLICE.name) < said.index(TAX.name)
    assert "报送系统 tax，2 个版本，最早 2026年6月9日 09:40，最后 2026年6月9日 09:50" in said
    assert f"{TAX.name}，以此为准" not in said


def test_nobody_disputes_what_its_owner_corrects(ledger: Settings) -> None:
    versions = [police_case("C-1", received_at=day(at)) for at in ("09:30", "09:50")]
    fill(ledger, *versions, bad_review("C-1", comment="窗口"))
    page = detail(client_of(ledger), "窗口")
    assert "2 个版本，显示最后一个" in page
    assert "各方报送" not in page


def test_a_ticket_follows_its_service_until_somebody_works_on_it_and_then_says_so(ledger: Settings) -> None:
    said = {1: "没有人处理", 2: "已经受理了"}
    reviews = [bad_review(f"C-{n}", comment=words) for n, words in said.items()]
    fill(ledger, *(tax_case(f"C-{n}", "09:50") for n in said), *reviews)
    desk = client_of(ledger)
    (url,) = [url for url in links(desk.get("/").text) if said[2] in desk.get(url).text]
    tell(
        ledger,
        "insert into office.ticket_step (ticket_id, step_no, step, state, dept_code, actor_role)"
        " values (:id, 1, 's', 'verifying', :dept, '经办人')",
        id=url.rsplit("/", 1)[1],
        dept=TAX.code,
    )
    assert told(ledger) == 2
    earlier = [police_case(f"C-{n}", received_at=day("09:10")) for n in said]
    add(ledger, Stream.CASE, 2, *earlier, sender="/system/police")
    assert told(ledger) == 3, "of the one on which nobody works"
    moved, stays = detail(desk, said[1]), desk.get(url).text
    assert f"<h1>{POLICE.name}的差评工单</h1>" in moved
    assert "留在原部门" not in moved
    assert f"<h1>{TAX.name}的差评工单</h1>" in stays
    assert f"改由{POLICE.name}承办；工单留在原部门" in stays
    assert links(desk.get(f"/?department={TAX.code}").text) == [url]
    assert url not in links(desk.get(f"/?department={POLICE.code}").text)


def test_a_review_through_anothers_link_is_shown_as_one_and_gives_way(ledger: Settings) -> None:
    fill(ledger, police_case("C-1", received_at=day("09:30")))
    theirs = bad_review("C-1", comment="别人的链接", channel="app")
    add(ledger, Stream.REVIEW, 0, theirs, sender="/system/tax")
    desk = client_of(ledger)
    page = detail(desk, "别人的链接")
    assert "报送系统 tax，不是这项服务的报送方；另有其他渠道的评价时，以那一条为准" in page
    assert "本条不计入" not in page
    own = bad_review("C-1", at="2026-06-10T10:00:00+08:00", comment="自己的评价")
    add(ledger, Stream.REVIEW, 1, own, sender="/terminal/t")
    shown = detail(desk, "别人的链接")
    assert "同一次服务另有一条评价计入统计，本条不计入，照常整改" in shown
    others = detail(desk, "自己的评价")
    assert "本条不计入" not in others
    assert "与本评价不一致，不计入统计" in others
    assert others.count("报送系统 tax，不是这项服务的报送方") == 1
    assert "不是这项服务的报送方" not in shown[shown.index("同一次服务的其他评价") :]
