"""The desk's pages over a real ledger: what they show, what they never show, and how they fail."""

import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from consumers.desk import words
from consumers.desk.app import create
from consumers.desk.headers import SECURITY
from consumers.desk.pages import Asked
from consumers.desk.paging import PAGE_SIZE
from consumers.desk.templating import HERE
from deploy.embedded.ports import claim
from pipeline.ledger.engine import engine
from pipeline.rules.working_days import official_calendar
from pipeline.settings import Settings, environment
from tests.consumers.client import Client
from tests.consumers.filling import (
    NAME,
    NOW,
    PHONE,
    POLICE,
    TAX,
    bad_review,
    clock,
    county,
    fill,
    police_case,
)
from tests.wait import wait_for

ZONE = ZoneInfo("Asia/Shanghai")
CALENDAR = official_calendar()
system = pytest.mark.system


def client_of(settings: Settings) -> Client:
    return Client(create(settings, clock))


@pytest.fixture
def desk(ledger: Settings) -> Client:
    """The desk over a ledger with four tickets."""
    fill(ledger, *county())
    return client_of(ledger)


def tell(settings: Settings, command: str, **values: object) -> None:
    pool = engine(settings.database, "test")
    with pool.begin() as connection:
        connection.execute(text(command), values)
    pool.dispose()


def links(page: str) -> list[str]:
    """Of a list's rows, in order."""
    return re.findall(r'href="(/tickets/[0-9a-f-]{36})"', page)


def detail(desk: Client, said: str) -> str:
    """The page of the ticket whose row says this."""
    rows = desk.get("/").text.split("<tr>")
    (row,) = [row for row in rows if said in row]
    return desk.get(links(row)[0]).text


# the list


@system
def test_the_list_shows_open_tickets_what_is_due_first_on_top(desk: Client) -> None:
    page = desk.get("/").text
    assert '全县 <strong>4</strong> 件待处理，其中超期 <strong class="late">1</strong> 件' in page
    assert "统计时间 2026年6月10日 15:20" in page
    said = ["窗口说", "网上办不了", "先说不满意", "服务态度生硬"]
    places = [page.index(one) for one in said]
    assert places == sorted(places)
    for shown in ("县公安局", "县税务局", "居民身份证换领", "办件尚未归集", "不针对具体办件", "待签收"):
        assert shown in page
    assert "已超期 2 个工作日" in page
    assert "还剩 1 个工作日" in page
    assert "又说满意" not in page, "a good review opens no ticket"


@system
def test_no_page_shows_who_reviewed(desk: Client) -> None:
    pages = [desk.get(url).text for url in ("/", *links(desk.get("/").text))]
    assert len(pages) == 5
    for page in pages:
        assert NAME not in page
        assert PHONE not in page
        assert "0013" not in page
    assert "138****5678" in pages[1]
    assert "实名" in pages[1]


@system
def test_the_sealed_identity_is_not_even_selected(ledger: Settings) -> None:
    fill(ledger, *county())
    tell(ledger, "alter table review drop column reviewer, drop column reviewer_mark")
    desk = client_of(ledger)
    assert [desk.get(url).status_code for url in ("/", *links(desk.get("/").text))] == [200] * 5


@system
def test_what_a_citizen_wrote_is_text_and_not_markup(desk: Client) -> None:
    for page in (desk.get("/").text, detail(desk, "窗口说")):
        assert "<script" not in page
        assert "&lt;script&gt;" in page


@system
def test_filters_by_department_and_overdue(desk: Client) -> None:
    assert len(links(desk.get("/", params={"department": POLICE.code}).text)) == 2
    assert len(links(desk.get("/", params={"department": "999"}).text)) == 1, (
        "an unknown code is a department too"
    )
    late = desk.get("/", params={"overdue": "1"}).text
    assert len(links(late)) == 1
    assert "checked" in late
    none = desk.get("/", params={"department": TAX.code, "overdue": "1"}).text
    assert "1 件待处理工单都在期限内" in none


@pytest.mark.parametrize(
    "query", ["department=%00", "department=%27%3B", "page=x", "page=-1", "page=0", "page=9999999"]
)
@system
def test_a_query_that_makes_no_sense_is_answered_all_the_same(desk: Client, query: str) -> None:
    assert desk.get(f"/?{query}").status_code == 200


@system
def test_every_ticket_is_on_exactly_one_page(ledger: Settings) -> None:
    fill(ledger, *(bad_review(f"C-{n}") for n in range(2 * PAGE_SIZE + 3)))
    desk = client_of(ledger)
    pages = [desk.get(f"/?page={n}").text for n in (1, 2, 3)]
    assert [len(links(page)) for page in pages] == [PAGE_SIZE, PAGE_SIZE, 3]
    assert len({url for page in pages for url in links(page)}) == 2 * PAGE_SIZE + 3
    assert "上一页" not in pages[0]
    assert 'href="/?page=3"' in pages[1]
    assert "下一页" not in pages[2]
    assert "第 3 / 3 页，共 103 件" in desk.get("/?page=400").text


@system
def test_an_empty_list_says_what_will_appear_and_why_it_is_empty(ledger: Settings) -> None:
    page = client_of(ledger).get("/").text
    assert "目前没有待处理的差评工单" in page
    assert "还没有收到差评" in page


@system
def test_the_list_says_that_it_may_not_be_whole_while_a_partition_stands_still(ledger: Settings) -> None:
    desk = client_of(ledger)
    tell(
        ledger,
        "insert into stream_position (topic, partition, topic_id, first_offset, next_offset) values ('t', 3, 'i', 0, 7)",
    )
    assert "hcp status" not in desk.get("/").text
    tell(
        ledger,
        'insert into office.blocked_partition (topic, partition, "offset", component, error, since)'
        " values ('t', 3, 9, 'worker-0', 'odd', :since)",
        since=NOW,
    )
    assert f"{words.moment(NOW, ZONE)} 起" in (page := desk.get("/").text)
    assert "hcp status" in page
    tell(ledger, "update stream_position set next_offset = 10")
    assert "hcp status" not in desk.get("/").text, "somebody else has folded the record"


def test_a_closed_ticket_leaves_the_list_and_keeps_its_page(ledger: Settings) -> None:
    fill(ledger, police_case("C-1"), bad_review("C-1"))
    desk = client_of(ledger)
    (url,) = links(desk.get("/").text)
    step = (
        "insert into office.ticket_step (ticket_id, step_no, step, state, dept_code, actor_role, note)"
        " values (:id, :no, 's', :state, :dept, '经办人', '已回访 13800135678')"
    )
    ticket = {"id": url.rsplit("/", 1)[1], "dept": POLICE.code}
    tell(ledger, step, no=1, state="rectifying", **ticket)
    assert "整改中" in desk.get("/").text
    tell(ledger, step, no=2, state="closed", **ticket)
    assert links(desk.get("/").text) == []
    page = desk.get(url).text
    assert "办结" in page
    assert "已回访 138****5678" in page
    assert "已超期" not in page


# one ticket


@system
def test_a_ticket_shows_review_case_and_limits(desk: Client) -> None:
    page = detail(desk, "窗口说")
    for shown in (
        *(
            "非常不满意",
            "服务态度差效率低",
            "二维码",
            "居民身份证换领",
            POLICE.item_code(1),
            "眉县政务大厅",
            "A07",
        ),
        *("610326-0042", "C-1，第 1 次服务", "2026年6月2日 23:59", "2026年6月8日 23:59", "自动开立工单"),
    ):
        assert shown in page
    assert "同一次服务的其他评价" not in page


@system
def test_a_conflict_is_shown_beside_the_review(desk: Client) -> None:
    page = detail(desk, "先说不满意")
    assert "又说满意" in page
    assert "与本评价不一致，不计入统计" in page


@system
def test_orphans_and_reviews_without_a_case_say_so(desk: Client) -> None:
    assert "对应的办件还没有报来" in detail(desk, "网上办不了")
    assert "不针对具体办件" in detail(desk, "服务态度生硬")


@system
def test_reviews_without_a_case_have_nothing_to_do_with_each_other(ledger: Settings) -> None:
    fill(ledger, bad_review(None, comment="甲"), bad_review(None, comment="乙"))
    desk = client_of(ledger)
    for url in links(desk.get("/").text):
        assert "同一次服务的其他评价" not in desk.get(url).text


@system
def test_follow_ups_and_defaults_are_named_beside_the_review(ledger: Settings) -> None:
    better = bad_review("C-1", 4, at="2026-06-10T10:00:00+08:00", review_no=2)
    default = bad_review("C-1", 5, channel="default")
    fill(ledger, police_case("C-1"), bad_review("C-1", comment="首评"), better, default)
    page = detail(client_of(ledger), "首评")
    assert "追评，计入统计" in page
    assert "系统默认评价，不计入统计" in page


@system
def test_a_limit_in_a_year_without_a_calendar_is_marked(ledger: Settings) -> None:
    fill(ledger, bad_review("C-1"))
    tell(ledger, "update ticket set provisional = true")
    desk = client_of(ledger)
    assert "尚未公布放假安排" in desk.get(links(desk.get("/").text)[0]).text


# failures and headers


@pytest.mark.parametrize("url", ["/tickets/x", f"/tickets/{UUID(int=1)}", "/nothing"])
@system
def test_what_is_not_there_is_told_in_chinese(ledger: Settings, url: str) -> None:
    answer = client_of(ledger).get(url)
    assert answer.status_code == 404
    assert "没有找到这个页面" in answer.text


@pytest.fixture
def away() -> Client:
    """A desk whose database nobody listens for."""
    port = claim(0, "nothing", "")
    return client_of(
        Settings.model_validate({"database": {"url": f"postgresql://u:Geheim-9@127.0.0.1:{port}/x"}})
    )


def test_a_database_that_is_away_is_told_and_gives_nothing_away(away: Client) -> None:
    answers = [away.get("/"), away.get(f"/tickets/{uuid4()}"), away.get("/healthz")]
    assert [answer.status_code for answer in answers] == [503] * 3
    assert "数据库暂时没有应答" in answers[0].text
    assert "the database does not answer" in answers[2].text
    assert not any("Geheim" in answer.text for answer in answers)


@system
def test_a_defect_is_a_page_too(ledger: Settings) -> None:
    tell(ledger, "alter table ticket rename to gone")
    answer = client_of(ledger).get("/")
    assert answer.status_code == 500
    assert "系统出错了" in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"


@system
def test_what_is_sent_to_the_desk_is_refused(ledger: Settings) -> None:
    answer = client_of(ledger).post("/")
    assert answer.status_code == 405
    assert "这里只能查看" in answer.text


def test_every_answer_carries_the_security_headers_once(away: Client) -> None:
    for url in ("/", "/nothing", "/healthz", "/static/desk.css"):
        answer = away.get(url)
        for name, value in SECURITY.items():
            assert answer.headers.get_list(name) == [value]


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", ""])
def test_a_name_that_is_not_loopback_gets_nothing(away: Client, host: str) -> None:
    answer = away.get("/static/desk.css", headers={"host": host})
    assert answer.status_code == 421


@pytest.mark.parametrize("host", ["127.0.0.1:18080", "localhost", "[::1]:18080"])
def test_loopback_names_are_served(away: Client, host: str) -> None:
    assert away.get("/static/desk.css", headers={"host": host}).status_code == 200


def test_styles_and_icon_are_ours(away: Client) -> None:
    assert "--action" in away.get("/static/desk.css").text
    assert "http" not in away.get("/static/desk.css").text
    assert away.get("/static/icon.svg").status_code == 200


# served


@system
def test_served_it_is_healthy_beats_and_says_when_it_ends(ledger: Settings, tmp_path: Path) -> None:
    ledger.web.desk_port = claim(0, "the desk", "")
    code = "from consumers.cli import desk; desk()"
    process = subprocess.Popen([sys.executable, "-c", code], env=environment(ledger), cwd=tmp_path)
    health = f"http://127.0.0.1:{ledger.web.desk_port}/healthz"

    def healthy() -> bool:
        try:
            with urllib.request.urlopen(health, timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    pool = engine(ledger.database, "test")

    def state() -> str:
        with pool.connect() as connection:
            return str(connection.scalar(text("select max(state) from office.component where name = 'desk'")))

    try:
        wait_for(healthy, 30, "the desk to answer")
        wait_for(lambda: state() == "running", 10, "its heartbeat")
        process.send_signal(signal.SIGTERM)
        process.wait(10)
        assert state() == "stopped"
    finally:
        process.kill()
        process.wait()
        pool.dispose()


# words


@pytest.mark.parametrize(
    ("due", "said", "signal_"),
    [
        ("2026-06-10T23:59:59+08:00", "今天到期", "soon"),
        ("2026-06-11T23:59:59+08:00", "还剩 1 个工作日", "soon"),
        ("2026-06-15T23:59:59+08:00", "还剩 3 个工作日", "calm"),
        ("2026-06-09T23:59:59+08:00", "已超期 1 个工作日", "late"),
        ("2026-06-05T23:59:59+08:00", "已超期 3 个工作日", "late"),
        ("2026-06-10T09:00:00+08:00", "已超期，不足 1 个工作日", "late"),
    ],
)
def test_a_limit_in_words(due: str, said: str, signal_: str) -> None:
    assert words.limit(datetime.fromisoformat(due), NOW, ZONE, CALENDAR) == (said, signal_)


@given(st.integers(-4000, 4000))
def test_a_limit_is_late_exactly_when_it_has_passed(minutes: int) -> None:
    got = words.limit(NOW + timedelta(minutes=minutes), NOW, ZONE, CALENDAR)
    assert (got.signal == "late") is (minutes < 0)


def test_an_excerpt_is_scrubbed_before_it_is_cut() -> None:
    said = "等" * (words.EXCERPT - 10) + "13800135678"
    assert "0013567" not in words.excerpt(said)
    assert words.excerpt("一\n二") == "一 二"


def test_what_the_tables_do_not_know_is_shown_as_it_came() -> None:
    assert words.department("999") == "999"
    assert words.state("later") == "later"
    assert words.tags(["zz"]) == ["未知标签 zz"]


def test_a_page_url_keeps_the_filters() -> None:
    assert Asked("a&b", overdue=True, page=1).url(2) == "/?department=a%26b&overdue=1&page=2"


@system
def test_one_ticket_that_cannot_be_shown_does_not_take_the_others_along(ledger: Settings) -> None:
    """A level that no version of ours knows, whoever wrote it into the database."""
    fill(ledger, *county())
    tell(ledger, "alter table ticket drop constraint if exists ticket_satisfaction_check")
    tell(ledger, "update ticket set satisfaction = 9 where case_no = 'C-2'")
    page = client_of(ledger).get("/")
    assert page.status_code == 200
    assert page.text.count("无法显示，其他内容不受影响") == 1
    assert len(links(page.text)) == 3


@system
def test_another_review_of_the_service_that_cannot_be_shown(ledger: Settings) -> None:
    fill(ledger, *county())
    tell(ledger, "update review set channel = 'telepathy' where case_no = 'C-4' and satisfaction = 5")
    desk = client_of(ledger)
    page = detail(desk, "先说不满意")
    assert "1 无法显示，其他内容不受影响" in page
    assert "先说不满意" in page
    assert "telepathy" not in page


def test_every_row_of_every_page_stands_for_itself() -> None:
    """Rows of tables and lists that come from the database are made by `each`, so that one cannot end the page."""
    alone = re.compile(r"{% for [^%]*%}\s*({% set [^%]*%}\s*)*<(tr|li)\b[^>]*>\s*<(td|p|time)\b")
    for template in sorted((HERE / "templates").glob("*.html")):
        assert not alone.search(template.read_text(encoding="utf-8")), template.name
