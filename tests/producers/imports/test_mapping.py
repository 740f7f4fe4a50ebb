"""Mappings: each way a cell becomes a value, each way it does not, and mappings that are wrong themselves."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from producers.errors import CannotImportError, Unmapped
from producers.imports.known import known, load
from producers.imports.mapping import Mapping
from producers.sheets.rows import SURPLUS
from schemas.catalogue import departments
from schemas.codes import HandlingMode, Status
from schemas.events import CaseEvent
from schemas.reading import digest

AT = datetime(2026, 11, 23, 2, tzinfo=UTC)
SHEET = {
    "办件编号": "MX1",
    "服务次数": "2",
    "事项名称": "身份证补领",
    "实施编码": "1" * 31,
    "部门": "县公安局",
    "办理方式": "线下",
    "受理时间": "2026/11/2 9:05",
    "办理时间": "2026-11-02 09:30:00",
    "窗口": "A03",
    "工作人员": "0017",
    "状态": "办结",
}
LOG = {
    "case:concept:name": "case-1",
    "case:channel": "e-mail",
    "case:startdate": "2011-10-11 13:45:41.000000+02:00",
    "concept:name": "T07-1 Draft intern advice aspect 1",
    "lifecycle:transition": "complete",
    "org:group": "EMPTY",
    "org:resource": "Resource21",
    "time:timestamp": "2011-10-11 13:45:40.276000+02:00",
}


def case(mapping: Mapping, row: dict[str, str], ordinal: int, *more: Any) -> CaseEvent:
    event = mapping.read(row, ordinal, *more)
    assert isinstance(event, CaseEvent)
    return event


@pytest.fixture(scope="module")
def sheet() -> Mapping:
    return load("department-excel")


def test_the_sheet_of_a_department(sheet: Mapping) -> None:
    event = case(sheet, SHEET, 1, AT)
    assert (event.case_no, event.service_no, event.status) == ("MX1", 2, Status.COMPLETED)
    assert (event.dept_code, event.handling_mode) == (departments()[0].code, HandlingMode.OFFLINE)
    assert event.served_at == datetime(2026, 11, 2, 1, 30, tzinfo=UTC)
    assert event.accepted_at == datetime(2026, 11, 2, 1, 5, tzinfo=UTC)
    assert (event.window_code, event.staff_id, event.source) == ("A03", "0017", "department-excel")
    assert event.received_at == AT


def test_a_row_of_the_permit_log_keeps_what_is_odd_about_it() -> None:
    event = case(load("municipal-permit"), LOG, 3, AT)
    assert (event.case_no, event.service_no, event.dept_code) == ("case-1", 3, "EMPTY")
    assert (event.item_code, event.item_name) == ("T07-1", "T07-1 Draft intern advice aspect 1")
    assert event.handling_mode is HandlingMode.ONLINE
    assert event.accepted_at is not None
    assert event.accepted_at > event.served_at


def test_the_first_step_of_the_permit_log_has_no_number() -> None:
    assert (
        case(load("municipal-permit"), LOG | {"concept:name": "Confirmation of receipt"}, 1).item_code
        == "T01"
    )


GOOD: list[tuple[dict[str, str], str, Any]] = [
    ({"服务次数": ""}, "service_no", 1),
    ({"受理时间": ""}, "accepted_at", None),
    ({"部门": departments()[5].code}, "dept_code", departments()[5].code),
    (
        {"部门": "91350100M000100Y44"},
        "dept_code",
        "91350100M000100Y44",
    ),  # wrong check digit: the inspection's
    ({"部门": " 县税务局　"}, "dept_code", departments()[1].code),
    ({"办理时间": "20261102093000"}, "served_at", datetime(2026, 11, 2, 1, 30, tzinfo=UTC)),
    ({"办理时间": "2026-11-02T09:30:00"}, "served_at", datetime(2026, 11, 2, 1, 30, tzinfo=UTC)),
    ({"办理时间": "2026-11-02T09:30:00Z"}, "served_at", datetime(2026, 11, 2, 9, 30, tzinfo=UTC)),
    ({"状态": "办理中"}, "status", Status.IN_PROGRESS),
]


@pytest.mark.parametrize(("cells", "field", "value"), GOOD)
def test_what_a_cell_may_be(sheet: Mapping, cells: dict[str, str], field: str, value: object) -> None:
    assert getattr(case(sheet, SHEET | cells, 1, AT), field) == value


BAD = [
    ("办件编号", "", "不能为空"),
    ("办件编号", "x" * 65, "最多 64 个字"),
    ("办件编号", "6.10326202611E+17", "四舍五入"),
    ("服务次数", "两次", "整数"),
    ("服务次数", "100", "不能大于 99"),
    ("实施编码", "", "不能为空"),
    ("部门", "公安", "没有这个部门"),
    ("办理方式", "电话", "线上、线下"),
    ("办理方式", "", "不能为空"),
    ("受理时间", "昨天", "时间格式"),
    ("办理时间", "", "不能为空"),
    ("办理时间", "202611021230", "时间格式"),
    ("办理时间", "1999-12-31 23:00:00", "2000"),
    ("办理时间", "2026-11-25 10:00:00", "晚一天"),
    ("状态", "作废", "受理、办理中、办结"),
    ("窗口", "x" * 65, "最多 64 个字"),
]


def test_all_that_is_wrong_with_a_row_is_told_at_once(sheet: Mapping) -> None:
    row = SHEET | {"部门": "公安", "状态": "作废", "服务次数": "两次"}
    with pytest.raises(Unmapped) as refused:
        case(sheet, row, 1, AT)
    assert refused.value.column == "服务次数、部门、状态"
    assert refused.value.message == (
        "服务次数：不是整数；部门：没有这个部门：请填部门全称或 18 位统一社会信用代码；"
        "状态：不是规定的取值，只能是：受理、办理中、办结"
    )


@pytest.mark.parametrize(("column", "cell", "said"), BAD)
def test_what_a_cell_may_not_be(sheet: Mapping, column: str, cell: str, said: str) -> None:
    with pytest.raises(Unmapped, match=said) as refused:
        case(sheet, SHEET | {column: cell}, 1, AT)
    assert refused.value.column == column


def test_cells_beyond_the_header_and_cells_that_are_not_there(sheet: Mapping) -> None:
    with pytest.raises(Unmapped, match="错位"):
        case(sheet, SHEET | {SURPLUS: "x"}, 1, AT)
    with pytest.raises(Unmapped, match="没有这一列"):
        case(sheet, {name: cell for name, cell in SHEET.items() if name != "状态"}, 1, AT)


def test_a_corrected_row_is_a_new_event_and_a_moved_one_the_same(sheet: Mapping) -> None:
    first = case(sheet, SHEET, 1, AT)
    moved = case(sheet, SHEET, 1, AT, timedelta(days=-3))
    assert moved.event_id == first.event_id
    assert (first.served_at - moved.served_at).days == 3
    assert case(sheet, SHEET | {"工作人员": "0018"}, 1, AT).event_id != first.event_id
    later = case(sheet, SHEET | {"备注": "不读这一列"}, 1, AT + timedelta(hours=5))
    assert (later.event_id, digest(later)) == (first.event_id, digest(first))


@pytest.mark.parametrize(("year", "days"), [("9999", 400_000), ("0001", -400_000)])
def test_a_shift_beyond_the_calendar_is_an_error_of_the_row(sheet: Mapping, year: str, days: int) -> None:
    with pytest.raises(Unmapped, match="2000") as refused:
        case(sheet, SHEET | {"办理时间": f"{year}-06-01 00:00:00"}, 1, AT, timedelta(days=days))
    assert refused.value.column == "办理时间"


def test_ordinals_count_the_rows_of_a_case_also_those_that_are_refused() -> None:
    permit = load("municipal-permit")
    cells = [LOG, LOG | {"case:channel": "fax"}, LOG | {"case:concept:name": "case-2"}, LOG]
    numbered = permit.numbered(enumerate(cells, start=2))
    assert [(number, ordinal) for number, _, ordinal in numbered] == [(2, 1), (3, 2), (4, 1), (5, 3)]


def test_a_sheet_without_the_columns(sheet: Mapping) -> None:
    with pytest.raises(
        CannotImportError, match=r"no column 办件编号, 实施编码.*first row names: 编号, 状态 "
    ):
        sheet.check_columns(["编号", "状态"])


def test_the_known_sources_say_what_they_are() -> None:
    assert {"department-excel", "municipal-permit"} < known().keys()
    assert all(mapping.about and mapping.origin for mapping in known().values())
    with pytest.raises(CannotImportError, match="department-excel, municipal-permit"):
        load("nonsense")


def fields(**changes: Any) -> dict[str, Any]:
    whole = {
        "case_no": {"column": "no"},
        "status": {"value": "completed"},
        "item_code": {"column": "item"},
        "dept_code": {"column": "dept"},
        "handling_mode": {"column": "mode", "codes": {"1": "online"}},
        "served_at": {"column": "at", "times": {"formats": ["iso"]}},
    }
    return {name: source for name, source in (whole | changes).items() if source is not ...}


def own(folder: Path, data: object, name: str = "own.yaml") -> Mapping:
    (folder / name).write_text(yaml.safe_dump(data, allow_unicode=True), encoding="utf-8")
    return load(str(folder / name))


ROW = {"no": "A", "item": "I", "dept": "D", "mode": "1", "at": "2026-11-02T09:30:00Z"}


def test_a_mapping_of_ones_own(tmp_path: Path) -> None:
    event = case(own(tmp_path, {"about": "x", "fields": fields()}), ROW, 1, AT)
    assert (event.source, event.case_no, event.handling_mode) == ("own", "A", "online")


def test_a_time_without_a_zone_needs_a_mapping_that_says_which(tmp_path: Path) -> None:
    with pytest.raises(Unmapped, match="没有时区"):
        case(own(tmp_path, {"about": "x", "fields": fields()}), ROW | {"at": "2026-11-02 09:30:00"}, 1, AT)


def test_codes_with_a_default_take_any_value(tmp_path: Path) -> None:
    mode = {"column": "mode", "codes": {1: "online"}, "default": "offline"}
    mapping = own(tmp_path, {"about": "x", "fields": fields(handling_mode=mode)})
    assert [case(mapping, ROW | {"mode": cell}, 1, AT).handling_mode for cell in ("1", "7", "")] == [
        "online",
        "offline",
        "offline",
    ]


def test_a_default_hides_no_rounded_number_and_no_unknown_department(tmp_path: Path) -> None:
    item = {"column": "item", "pattern": "(T[0-9]+)", "default": "T01"}
    dept = {"column": "dept", "departments": True, "default": "610326"}
    mapping = own(tmp_path, {"about": "x", "fields": fields(item_code=item, dept_code=dept)})
    read = case(mapping, ROW | {"item": "anything", "dept": ""}, 1, AT)
    assert (read.item_code, read.dept_code) == ("T01", "610326")
    with pytest.raises(Unmapped, match="四舍五入"):
        case(mapping, ROW | {"item": "1.2E+17", "dept": ""}, 1, AT)
    with pytest.raises(Unmapped, match="没有这个部门"):
        case(mapping, ROW, 1, AT)


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"case_no": {"colum": "no"}}, "fields.case_no.colum: this key is unknown"),
    ({"case_no": {"column": "no", "value": "x"}}, "exactly one of column, value and ordinal"),
    ({"case_no": {}}, "exactly one of column, value and ordinal"),
    ({"status": {"value": "completed", "default": "x"}}, "default need a column"),
    ({"case_no": {"column": "no", "pattern": "["}}, "fields.case_no.pattern"),
    ({"case_no": {"column": "no", "pattern": "T"}}, "no group"),
    ({"status": {"value": "done"}}, "done is none of accepted, in_progress, completed"),
    ({"handling_mode": {"column": "m", "codes": {"1": "fax"}}}, "fax is none of online, offline"),
    ({"served_at": {"column": "at"}}, "fields.served_at: times"),
    ({"case_no": {"column": "no", "times": {"formats": ["iso"]}}}, "fields.case_no: times"),
    ({"served_at": {"column": "at", "times": {"formats": []}}}, "formats"),
    ({"served_at": {"column": "at", "times": {"formats": ["iso"], "zone": "Mars"}}}, "zone"),
    ({"served_at": {"column": "at", "times": {"formats": ["iso"]}, "default": "x"}}, "no default"),
    ({"case_no": {"ordinal": True}}, "ordinal is for service_no only"),
    ({"item_code": {"column": "i", "departments": True}}, "departments is for dept_code only"),
    ({"dept_code": {"column": "i", "departments": True, "codes": {"1": "2"}}}, "at most one"),
    ({"service_no": {"value": "first"}}, "whole number"),
    ({"served_at": ...}, "served_at missing"),
    ({"event_id": {"column": "id"}}, "event_id unknown; known are case_no"),
]


@pytest.mark.parametrize(("changes", "said"), WRONG)
def test_a_mapping_that_is_wrong(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(CannotImportError) as refused:
        own(tmp_path, {"about": "x", "fields": fields(**changes)})
    assert said in str(refused.value)


def test_a_file_that_is_no_mapping(tmp_path: Path) -> None:
    for data in ("text", {"name": "x", "about": "x", "fields": fields()}):
        with pytest.raises(CannotImportError, match="must say about"):
            own(tmp_path, data)
    with pytest.raises(CannotImportError, match="about"):
        own(tmp_path, {"fields": fields()})
    (tmp_path / "broken.yaml").write_text("fields: [", encoding="utf-8")
    with pytest.raises(CannotImportError, match="no YAML"):
        load(str(tmp_path / "broken.yaml"))
    with pytest.raises(CannotImportError, match="No such file"):
        load(str(tmp_path / "absent.yaml"))
    with pytest.raises(CannotImportError, match="rename it"):
        load(str(tmp_path / "我们的.yaml"))
