"""The desk's page of devices: what it says of each, and what it never shows."""

import re

import pytest

from consumers.desk.app import create
from consumers.desk.devices import HOLES_SHOWN
from consumers.desk.paging import PAGE_SIZE
from pipeline.settings import Settings
from tests.consumers.client import Client
from tests.consumers.filling import clock, counted, fill, register, terminals

pytestmark = pytest.mark.system


def client_of(settings: Settings) -> Client:
    return Client(create(settings, clock))


def rows(page: str) -> list[str]:
    """The rows of the list, in words."""
    cells = [re.sub(r"<[^>]+>", " ", row) for row in page.split("<tr>")[2:]]
    return [" ".join(row.split()) for row in cells]


def row(page: str, device: str) -> str:
    (found,) = [one for one in rows(page) if device in one]
    return found


def test_each_device_says_in_words_what_is_wrong(ledger: Settings) -> None:
    terminals(ledger)
    page = client_of(ledger).get("/devices").text
    assert "共 <strong>8</strong> 台" in page
    assert '<strong class="late">6</strong> 台需要处理' in page
    assert "编号重复 2 处：设备可能重装过" in row(page, "T-A01")
    assert "缺 6 条：可能还在路上，也可能丢失 第 4 至 6 号，共 3 条 第 9 至 11 号，共 3 条" in row(
        page, "T-A02"
    )
    assert "县公安局，眉县政务大厅，A02 窗口 窗口评价器 12 2026年6月9日 10:00" in row(page, "T-A02")
    assert "已 9 天没有收到评价" in row(page, "T-A03")
    assert "连续 正常" in row(page, "T-A04")
    assert "登记 31 天，从未收到评价" in row(page, "T-A05")
    assert "已停用" in row(page, "T-A09")
    assert "税务局办税系统 S-TAX 县税务局 电脑网页、手机应用 — —" in row(page, "S-TAX")
    assert "未登记" in row(page, "Z-9")
    assert page.count("<th ") == 7


def test_an_event_that_does_not_name_the_one_before_is_told(ledger: Settings) -> None:
    events = counted("T-1", 1, 2)
    events[0]["satisfaction"] = 4
    fill(ledger, *events)
    assert "前后不衔接 1 处" in row(client_of(ledger).get("/devices").text, "T-1")


def test_only_those_that_need_a_person(ledger: Settings) -> None:
    terminals(ledger)
    page = client_of(ledger).get("/devices?needing=1").text
    assert len(rows(page)) == 6
    assert "T-A04" not in page
    assert "T-A09" not in page


def test_a_new_device_has_a_week_to_be_heard(ledger: Settings) -> None:
    register(ledger, "T-1", "terminal", created_at="2026-06-09T09:00:00+08:00")
    register(ledger, "S-1", kind="system", created_at="2026-06-09T09:00:00+08:00")
    desk = client_of(ledger)
    assert "还没有收到评价" in row(desk.get("/devices").text, "T-1")
    assert "只报办件" in row(desk.get("/devices").text, "S-1")
    assert "没有需要处理的评价器" in desk.get("/devices?needing=1").text


def test_a_device_without_a_place_is_for_any(ledger: Settings) -> None:
    register(ledger, "S-1", "hotline", kind="system")
    assert "S-1 不限 12345热线" in row(client_of(ledger).get("/devices").text, "S-1")


def test_many_holes_are_not_all_listed(ledger: Settings) -> None:
    fill(ledger, *counted("T-1", *range(2, 2 * HOLES_SHOWN + 7, 2)))
    found = row(client_of(ledger).get("/devices").text, "T-1")
    assert "第 1 号" in found
    assert "第 39 号 另有 3 段" in found


def test_a_phone_number_as_an_id_is_masked_and_markup_is_text(ledger: Settings) -> None:
    fill(ledger, *counted("13800135678", 1), *counted("<b>x</b>", 1))
    page = client_of(ledger).get("/devices").text
    assert "138****5678" in page
    assert "13800135678" not in page
    assert "<b>" not in page


def test_pages_of_devices(ledger: Settings) -> None:
    fill(ledger, *(event for n in range(PAGE_SIZE + 1) for event in counted(f"T-{n:03}", 1)))
    desk = client_of(ledger)
    assert len(rows(desk.get("/devices").text)) == PAGE_SIZE
    last = desk.get("/devices?needing=1&page=9").text
    assert len(rows(last)) == 1
    assert 'href="/devices?needing=1&amp;page=1"' in last


def test_no_devices_at_all(ledger: Settings) -> None:
    page = client_of(ledger).get("/devices").text
    assert "还没有评价器" in page
    assert "hcp device add" in page


def test_numbers_without_end_are_no_numbers_of_a_chain(ledger: Settings) -> None:
    """Records of before the bound: one of these made the page fail for good."""
    fill(
        ledger,
        *counted("T-1", 1, 2, 2**63 - 2, 2**63 - 1),
        *counted("T-2", 2**63 - 1),
        *counted("T-3", 2**53),
    )
    page = client_of(ledger).get("/devices")
    assert page.status_code == 200
    assert "2 2026年6月9日 10:00 连续" in row(page.text, "T-1")
    assert "缺 9007199254740991 条" in row(page.text, "T-3")
    assert "T-2" not in page.text


def test_one_device_that_cannot_be_shown_is_told_and_the_others_are_shown(
    ledger: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    register(ledger, "T-1", "terminal")
    register(ledger, "T-13800135678", "a channel of a later version")
    register(ledger, "T-3", "terminal")
    page = client_of(ledger).get("/devices").text
    assert "T-1" in page
    assert "T-3" in page
    assert "T-138****5678 无法显示，其他内容不受影响" in page
    (record,) = [one for one in caplog.records if one.message == "row_not_shown"]
    assert vars(record)["device_id"] == "T-138****5678"
    assert vars(record)["error"] == "ValueError"
