"""The mappings that come with the package, each with a row as its system writes it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pipeline.rules.policy import COUNTY_ZONE
from producers.errors import Unmapped
from producers.imports.inspecting import UNCLEAR, Inspection
from producers.imports.known import known, load
from schemas.catalogue import COUNTY, departments
from schemas.codes import Channel, HandlingMode, Status
from schemas.events import CaseEvent, Reviewer, ReviewEvent
from schemas.identifiers import OWN_CASE_PREFIX

BROKEN = "promise_broken"
AT = datetime(2026, 11, 23, 2, tzinfo=UTC)
POLICE, TAX = departments()[:2]
SERVED = datetime(2026, 11, 2, 1, 30, tzinfo=UTC)
PROVINCE = {
    "projectNo": "610326-0001",
    "serviceNumber": "",
    "taskCode": POLICE.item_code(7),
    "taskName": "户籍迁移",
    "deptCode": POLICE.code,
    "areaCode": f"{COUNTY}000000",
    "proManager": "张三",
    "windowNo": "A03",
    "proStatus": "3",
    "serviceMode": "2",
    "acceptDate": "2026-11-02 09:00:00",
    "serviceTime": "2026-11-02 09:30:00",
    "promiseTime": "2",
}
COMPACT = {
    "SBLSH": "SB1",
    "SXBM": POLICE.item_code(1),
    "SXMC": "身份证补领",
    "BMBM": POLICE.code,
    "BLFS": "窗口",
    "CKBH": "A03",
    "JBRBH": "0017",
    "BJZT": "BJ",
    "SLSJ": "20261102090000",
    "BJSJ": "20261102093000",
    "CNBJSJ": "20261105180000",
}
ZERO_ONE = {
    "bjbh": "B1",
    "fwcs": "2",
    "sxbm": TAX.item_code(1),
    "sxmc": "发票领用",
    "bmmc": TAX.name,
    "sfwb": "1",
    "ckh": "",
    "gh": "",
    "sfbj": "0",
    "slsj": "2026/11/02 09:00",
    "bjsj": "2026-11-02T09:30:00",
    "promiseTime": "2",
    "cnsx": "3",
}
ONE_NUMBER = {
    "办件编号": "000000000000",
    "事项编码": POLICE.item_code(2),
    "事项名称": "居住证",
    "部门名称": POLICE.name,
    "大厅编号": "H1",
    "窗口编号": "A01",
    "工号": "7",
    "叫号时间": "2026/11/02 09:00:00",
    "结束时间": "2026/11/02 09:30:00",
}
REPORTED = {
    "projectNo": "610326-0001",
    "assessNumber": "2",
    "satisfaction": "1",
    "evalDetail": "113,115",
    "writingEvaluation": "跑了三趟",
    "pf": "7",
    "assessTime": "2026-11-02 09:40:00",
    "deptCode": POLICE.code,
    "taskCode": POLICE.item_code(7),
    "userName": "李四",
    "certkeyGOV": "610326199001010011",
}
BY_SERVICE = {
    "projectNo": "B1",
    "assessNumber": "2",
    "satisfaction": "不满意",
    "evalDetail": "",
    "writingEvaluation": "",
    "channel": "PJQ",
    "assessTime": "20261102094000",
    "deptCode": TAX.code,
    "windowNo": "A03",
    "proManager": "0017",
}


def case(source: str, row: dict[str, str]) -> CaseEvent:
    event = load(source).read(row, 1, AT)
    assert isinstance(event, CaseEvent)
    return event


def review(source: str, row: dict[str, str]) -> ReviewEvent:
    event = load(source).read(row, 1, AT)
    assert isinstance(event, ReviewEvent)
    return event


@pytest.mark.parametrize(
    ("source", "row", "expected"),
    [
        ("province-cases", PROVINCE, ("610326-0001", 1, Status.COMPLETED, HandlingMode.OFFLINE)),
        ("compact-times", COMPACT, ("SB1", 1, Status.COMPLETED, HandlingMode.OFFLINE)),
        ("zero-one", ZERO_ONE, ("B1", 2, Status.IN_PROGRESS, HandlingMode.ONLINE)),
    ],
)
def test_systems_that_say_the_same_in_different_words(
    source: str, row: dict[str, str], expected: tuple[Any, ...]
) -> None:
    event = case(source, row)
    assert (event.case_no, event.service_no, event.status, event.handling_mode) == expected
    assert (event.served_at, event.accepted_at) == (SERVED, SERVED - timedelta(minutes=30))
    assert event.source == source
    assert load(source).columns
    load(source).check_columns(row)


@pytest.mark.parametrize(
    ("source", "column", "cell"),
    [
        ("province-cases", "serviceTime", "20261102093000"),
        ("province-cases", "serviceMode", "0"),
        ("compact-times", "BJSJ", "2026-11-02 09:30:00"),
        ("compact-times", "BJSJ", "2026110209300"),
        ("zero-one", "sfwb", "2"),
    ],
)
def test_what_one_system_means_another_does_not(source: str, column: str, cell: str) -> None:
    rows = {"province-cases": PROVINCE, "compact-times": COMPACT, "zero-one": ZERO_ONE}
    with pytest.raises(Unmapped):
        case(source, rows[source] | {column: cell})


PROMISES: list[tuple[str, dict[str, str], dict[str, str], tuple[str, ...]]] = [
    ("province-cases", PROVINCE, {}, ()),
    ("province-cases", PROVINCE, {"serviceTime": "2026-11-03 00:00:00"}, (BROKEN,)),
    ("province-cases", PROVINCE, {"serviceTime": "2026-11-03 00:00:00", "promiseTime": "1"}, ()),
    ("province-cases", PROVINCE, {"promiseTime": "3"}, (UNCLEAR,)),
    ("province-cases", PROVINCE, {"promiseTime": ""}, ()),
    ("compact-times", COMPACT, {"BJSJ": "20261105180000"}, ()),
    ("compact-times", COMPACT, {"BJSJ": "20261105180001"}, (BROKEN,)),
    ("compact-times", COMPACT, {"CNBJSJ": ""}, ()),
    ("compact-times", COMPACT, {"SLSJ": "", "BJSJ": "20261105180001"}, (BROKEN,)),
    ("zero-one", ZERO_ONE, {"bjsj": "2026-11-05T23:59:59"}, ()),
    ("zero-one", ZERO_ONE, {"bjsj": "2026-11-06T00:00:00"}, (BROKEN,)),
    ("zero-one", ZERO_ONE, {"bjsj": "2026-11-03T09:00:00", "promiseTime": "1"}, (BROKEN,)),
    ("zero-one", ZERO_ONE, {"cnsx": "三天"}, (UNCLEAR,)),
    ("zero-one", ZERO_ONE, {"cnsx": "99999"}, (UNCLEAR,)),
    ("zero-one", ZERO_ONE, {"cnsx": "", "bjsj": "2026-11-20T00:00:00"}, ()),
]


@pytest.mark.parametrize(("source", "row", "cells", "ids"), PROMISES)
def test_whether_the_promised_time_was_kept(
    source: str, row: dict[str, str], cells: dict[str, str], ids: tuple[str, ...]
) -> None:
    mapping = load(source)
    promises = {BROKEN, UNCLEAR}
    for shift in (timedelta(), timedelta(days=-3)):
        event = mapping.read(row | cells, 1, AT, shift)
        assert isinstance(event, CaseEvent)
        found = Inspection(mapping.promise).judge(row | cells, event, shift)
        assert tuple(rule for rule in found if rule in promises) == ids


def test_the_promise_goes_with_the_record_so_that_the_county_can_judge_it() -> None:
    event = case("zero-one", ZERO_ONE)
    Inspection(load("zero-one").promise).judge(ZERO_ONE, event, timedelta())
    assert event.promised_at == datetime(2026, 11, 5, 23, 59, 59, 999_999, COUNTY_ZONE)
    assert event.failed_rules == []
    assert event.event_id == case("zero-one", ZERO_ONE).event_id


def test_one_number_for_everybody_is_nobodys() -> None:
    first, second = (case("one-number", ONE_NUMBER | {"工号": name}) for name in "78")
    assert first.case_no.startswith(OWN_CASE_PREFIX)
    assert first.case_no != second.case_no
    assert case("one-number", ONE_NUMBER | {"工号": "7"}) == first
    own = case("one-number", ONE_NUMBER | {"办件编号": "MX1"})
    assert own.case_no == "MX1"


def test_assess_number_is_the_follow_up_in_the_province_and_the_service_elsewhere() -> None:
    province, other = review("province-reviews", REPORTED), review("reviews-by-service", BY_SERVICE)
    assert (province.review_no, province.service_no) == (2, 1)
    assert (other.review_no, other.service_no) == (1, 2)
    assert (province.satisfaction, province.reason_codes) == (1, ["113", "115"])
    assert (province.channel, other.channel) == (Channel.DEFAULT, Channel.TERMINAL)
    assert other.submitted_at == SERVED + timedelta(minutes=10)
    assert (other.satisfaction, other.reason_codes, other.reviewer, other.real_name) == (2, [], None, False)


def test_who_gives_a_name_gives_it_really_and_it_is_in_no_id() -> None:
    named = review("province-reviews", REPORTED)
    assert named.reviewer == Reviewer(name="李四", id_number="610326199001010011")
    assert named.real_name
    nameless = review("province-reviews", REPORTED | {"userName": "", "certkeyGOV": ""})
    assert (nameless.reviewer, nameless.real_name) == (None, False)
    assert nameless.event_id == named.event_id
    assert load("province-reviews").personal == ("userName", "certkeyGOV")


def test_a_review_under_a_number_of_everybody_is_one_without_a_case() -> None:
    event = review("reviews-by-service", BY_SERVICE | {"projectNo": "无"})
    assert (event.case_no, event.window_code) == (None, "A03")


def test_five_sources_of_cases_and_two_of_reviews() -> None:
    kinds = [mapping.rows for mapping in known().values()]
    assert kinds.count("case") >= 5  # type: ignore[arg-type]  # a StrEnum
    assert kinds.count("review") == 2  # type: ignore[arg-type]
