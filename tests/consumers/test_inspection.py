"""The desk's pages of inspection: rates with their fractions, and the cases behind them."""

import re

import pytest

from consumers.desk.app import create
from consumers.desk.inspection import Asked
from consumers.desk.paging import PAGE_SIZE
from pipeline.settings import Settings
from tests.consumers.client import Client
from tests.consumers.filling import POLICE, TAX, clock, fill, inspected, police_case
from tests.harness import review

pytestmark = pytest.mark.system


@pytest.fixture
def desk(ledger: Settings) -> Client:
    fill(ledger, *inspected())
    return Client(create(ledger, clock))


def words_of(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def test_the_rate_by_department_and_by_rule(desk: Client) -> None:
    said = words_of(desk.get("/inspection").text)
    assert "合格率 69.2 %，9/13 2026年5月12日 以来的服务，统计时间 2026年6月10日 15:20" in said
    assert "县税务局 0.0 %，0/1 1 没有事项名称（1） 县公安局 75.0 %，9/12 3 没有事项名称（2）" in said
    assert "没有事项名称 一般 3" in said
    assert "受理时间晚于办理时间 严重 1" in said
    assert "共 15 项规则，其余 12 项没有发现问题" in said


@pytest.mark.parametrize(
    ("days", "rate"), [("7", "69.2 %，9/13"), ("90", "68.8 %，11/16"), ("1; x", "69.2 %，9/13")]
)
def test_the_range_is_chosen(ledger: Settings, days: str, rate: str) -> None:
    whole = {"accepted_at": "2026-04-01T08:00:00+08:00", "served_at": "2026-04-01T09:00:00+08:00"}
    early = [police_case(f"E-{n}", **whole) for n in range(2)]
    fill(ledger, *inspected(), *early, police_case("E-3", **whole, item_name=""))
    page = Client(create(ledger, clock)).get("/inspection", params={"days": days}).text
    assert rate in page


def test_from_a_rate_to_its_cases(desk: Client) -> None:
    overview = desk.get("/inspection?days=7").text
    links = re.findall(r'href="(/inspection/cases[^"]+)"', overview)
    assert len(links) == 5
    pages = [desk.get(link.replace("&amp;", "&")).text for link in links]
    assert [page.count("<tr>") - 1 for page in pages] == [1, 3, 3, 1, 1]
    assert all('<option value="7" selected>' in page for page in pages)


def test_a_case_with_what_is_wrong_with_it(desk: Client) -> None:
    page = desk.get("/inspection/cases", params={"department": TAX.code, "rule": "staff_missing"}).text
    said = words_of(page)
    assert "县税务局 1 件：线下办件没有经办人" in said
    assert (
        f"X-1 第 1 次服务 {TAX.item_code(3)} 县税务局 2026年6月9日 09:00 没有事项名称 线下办件没有经办人"
        in said
    )
    links = re.findall(r'href="([^"]+)"', page)
    assert not any("X-1" in link for link in links), "no case number in a URL"


def test_cases_come_in_pages(ledger: Settings) -> None:
    fill(ledger, *(police_case(f"C-{n}", item_name="") for n in range(PAGE_SIZE + 2)))
    desk = Client(create(ledger, clock))
    first, second = (desk.get(f"/inspection/cases?department={POLICE.code}&page={n}").text for n in (1, 2))
    assert (first.count("<tr>"), second.count("<tr>")) == (PAGE_SIZE + 1, 3)
    assert f"days=30&amp;department={POLICE.code}&amp;page=2" in first


@pytest.mark.parametrize(
    "query", ["department=%00", "department=%27%3B", "department=13800135678", "rule=x", "days=0", "page=x"]
)
def test_a_query_that_makes_no_sense_is_answered_all_the_same(desk: Client, query: str) -> None:
    page = desk.get(f"/inspection/cases?{query}")
    assert page.status_code == 200
    assert desk.get(f"/inspection?{query}").status_code == 200


def test_nothing_to_inspect(ledger: Settings) -> None:
    desk = Client(create(ledger, clock))
    assert "这段时间没有办件记录" in desk.get("/inspection").text
    assert "没有符合条件的办件" in desk.get("/inspection/cases").text


def test_everything_passes(ledger: Settings) -> None:
    fill(ledger, *inspected()[:9])
    page = Client(create(ledger, clock)).get("/inspection").text
    assert "100.0 %，9/9" in page
    assert "全部合格" in page


def test_a_link_keeps_what_is_chosen() -> None:
    assert Asked(7, "a&b", "x").url(2) == "/inspection/cases?days=7&department=a%26b&rule=x&page=2"
    assert Asked(7, "a", "", 3).of_rule("y") == "/inspection/cases?days=7&department=a&rule=y"


def test_a_number_that_many_people_share_is_named_with_its_sender(ledger: Settings) -> None:
    number = "110101199003072316"  # of the form of an identity number
    crowd = [review(number, 5, device_id="w<1>") for _ in range(20)]
    fill(ledger, *inspected(), *crowd, *(review("88888888", 5) for _ in range(21)))
    page = Client(create(ledger, clock)).get("/inspection").text
    said = words_of(page)
    assert "一号多用：多条评价共用一个办件编号" in said
    assert "88888888 第 1 次服务 21 0 未说明 1***************16 第 1 次服务 20 0 w&lt;1&gt;" in said
    assert "hcp device placeholders" in said
    assert number not in page


def test_no_number_is_shared(desk: Client) -> None:
    assert "没有发现多人共用的办件编号" in desk.get("/inspection").text
