"""Paper forms: the template, two people who key it, totals, and reviews that are the same however often they come."""

import csv
import stat
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from openpyxl import load_workbook
from typer.testing import CliRunner

from pipeline.seal_keys import Seal
from pipeline.sealing import Sealer
from pipeline.settings import Settings
from producers.cli import app
from producers.errors import CannotImportError
from producers.imports.listing import HIDDEN
from producers.imports.paper.form import COLUMNS, PERSONAL, REASONS
from producers.imports.paper.importing import Outcome, PaperReview, import_paper
from producers.imports.paper.keying import Keying, read_keying
from producers.imports.paper.template import FORMS_SHEET, LISTS_SHEET, Issue, new_batch, write_template
from producers.sheets.sheet_file import opened
from schemas.catalogue import departments
from schemas.codes import SATISFACTION, Channel, reason_codes
from schemas.events import ReviewEvent
from schemas.reading import read
from tests.conftest import MONTHS, SEAL_KEY
from tests.producers.imports.filling import BATCH, ISSUE, Lines, keying, line
from tests.producers.imports.test_cases import Log

SEAL = {"current": "k", "keys": {"k": SEAL_KEY}, "months": MONTHS}
NOW = datetime.now(UTC)


def settings_in(folder: Path) -> Settings:
    return Settings.model_validate({"stack": {"data_dir": folder}, "seal": SEAL})


class Desk:
    """Two people, and the log that their work goes to."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.log = folder, Log()

    def keyed(self, first: Lines, second: Lines | None = None, **totals: Any) -> tuple[Path, Path]:
        there = first if second is None else second
        return keying(self.folder, "甲", first, **totals), keying(self.folder, "乙", there, **totals)

    def publish(self, *keyed: Path, **options: Any) -> Outcome:
        return import_paper(settings_in(self.folder), keyed[0], keyed[1], connect=self.log, **options)

    def reviews(self) -> list[PaperReview]:
        events: list[Any] = [event for event, source in self.log.kept if source == "/paper"]
        return events

    def listed(self) -> list[dict[str, str]]:
        file = self.folder / "import" / f"{BATCH}.differences.csv"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        return list(csv.DictReader(file.read_text(encoding="utf-8-sig").splitlines()))

    def problems(self) -> list[tuple[str, str, str]]:
        return [(row["表单编号"][-3:], row["列"], row["问题"]) for row in self.listed()]

    def places(self) -> list[tuple[str, str, str, str]]:
        """Form, column, and its row in each of the two sheets."""
        return [
            (row["表单编号"][-3:], row["列"], row["第一份的行号"], row["第二份的行号"])
            for row in self.listed()
        ]


def test_a_number_that_stands_for_no_case_is_kept_as_a_claim(desk: "Desk") -> None:
    forms = {1: line(办件编号="０", 服务次数="2"), 2: line(扫描件编号="S2", 办件编号="MX1")}
    keyed = desk.keyed(forms)
    assert desk.publish(*keyed, placeholders=["0"]).published == 2
    claimed, own = desk.reviews()
    assert (claimed.case_no, claimed.service_no, claimed.claimed_case_no) == (None, 1, "０")
    assert (own.case_no, own.claimed_case_no) == ("MX1", "")
    with pytest.raises(CannotImportError, match="1 to 64 characters"):
        desk.publish(*keyed, placeholders=[" "])


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_the_template_has_numbered_forms_with_what_is_known_filled_in(tmp_path: Path) -> None:
    path = tmp_path / "t.xlsx"
    write_template(Issue("H1", "县公安局", ["A03", "A04"], 3, BATCH), path)
    book = load_workbook(path)
    lines = list(book[FORMS_SHEET].iter_rows(values_only=True))
    assert lines[0] == COLUMNS
    assert [line_[:4] for line_ in lines[1:]] == [
        (f"{BATCH}-{n:03}", "县公安局", "H1", "A03" if n <= 3 else "A04") for n in range(1, 7)
    ]
    assert book[LISTS_SHEET].sheet_state == "hidden"
    assert all(cell.number_format == "@" for row in book[FORMS_SHEET].iter_rows(min_row=2) for cell in row)


def test_its_drop_downs_offer_levels_windows_and_the_reasons_of_each_level(tmp_path: Path) -> None:
    write_template(ISSUE, tmp_path / "t.xlsx")
    book = load_workbook(tmp_path / "t.xlsx")
    validations = {v.formula1: str(v.sqref) for v in book[FORMS_SHEET].data_validations.dataValidation}
    level = chr(ord("A") + COLUMNS.index("满意度"))
    assert validations["levels"] == f"{level}2:{level}7"
    assert validations["windows"] == "D2:D7"
    assert f'INDIRECT("reasons_"&LEFT(${level}2,1))' in validations
    offered = {name: entries(book, name) for name in book.defined_names}
    assert offered["levels"] == [f"{code} {text}" for code, text in SATISFACTION.items()]
    for code in SATISFACTION:
        tags = [tag for tag in reason_codes().values() if tag.satisfaction == code and not tag.retired]
        assert offered[f"reasons_{code}"] == [f"{tag.code} {tag.text}" for tag in tags]
    assert len(REASONS) == 8


def entries(book: Any, name: str) -> list[str]:
    (destination,) = book.defined_names[name].destinations
    return [cell.value for (cell,) in book[destination[0]][destination[1]]]


def test_what_makes_no_template(tmp_path: Path) -> None:
    path = tmp_path / "t.xlsx"
    for issue, said in (
        (ISSUE._replace(forms=0), "1 to"),
        (ISSUE._replace(dept="无此局"), "no such department"),
    ):
        with pytest.raises(CannotImportError, match=said):
            write_template(issue, path)
    write_template(ISSUE, path)
    for file in (path, tmp_path / "t.xls"):
        with pytest.raises(CannotImportError, match="somebody may have keyed into it"):
            write_template(ISSUE, file)
    assert len({new_batch(date(2026, 11, 2)) for _ in range(50)}) == 50


def test_what_both_keyed_alike_is_published(desk: Desk) -> None:
    whole = {
        "工作人员工号": "0017",
        "办件编号": "MX1",
        "服务次数": "2",
        "满意度": "2 不满意",
        "原因1": "213 窗口人员业务不熟练",
        "原因3": "服务态度生硬",
        "意见": "排队太久",
        "评价日期": "2026年11月2日",
        "扫描件编号": "S-0001",
    }
    outcome = desk.publish(*desk.keyed({1: whole, 4: line()}, bad=1))
    assert outcome == Outcome(BATCH, 2, 4, 2, 0, 0, None, dry_run=False)
    first, second = desk.reviews()
    assert (first.satisfaction, first.reason_codes, first.channel) == (2, ["213", "214"], Channel.PAPER)
    assert (first.case_no, first.service_no, first.staff_id, first.comment) == ("MX1", 2, "0017", "排队太久")
    assert (first.dept_code, first.hall_code, first.window_code) == (departments()[0].code, "H-610326", "A03")
    assert first.submitted_at == datetime(2026, 11, 2, 4, tzinfo=UTC)
    assert (first.scan_ref, first.form_no, first.reviewer, first.real_name) == (
        "S-0001",
        f"{BATCH}-001",
        None,
        False,
    )
    assert (second.case_no, second.service_no, second.form_no) == (None, 1, f"{BATCH}-004")
    body = msgspec.json.encode(first)
    assert b'"scan_ref":"S-0001"' in body
    assert read(ReviewEvent, body, NOW).event.case_no == "MX1"


def test_a_second_import_sends_the_same_events(desk: Desk) -> None:
    keyed = desk.keyed({n: line(意见=str(n)) for n in range(1, 4)})
    desk.publish(*keyed)
    desk.publish(*keyed[::-1])
    once, twice = desk.reviews()[:3], desk.reviews()[3:]
    assert len({event.event_id for event in once}) == 3
    for one, other in zip(once, twice, strict=True):
        assert one.received_at != other.received_at
        one.received_at = other.received_at = None
        assert one == other


def test_an_identity_is_sealed_and_in_no_list(desk: Desk) -> None:
    who = {"姓名": "李四", "电话": "13812345678", "身份证号": "610326199001010011"}
    first = {1: line(**who), 2: line(**who)}
    second = {1: line(**who), 2: line(**who | {"电话": "13812345679"}, 意见="我是13812345678")}
    desk.publish(*desk.keyed(first, second), agreeing_only=True)
    (event,) = desk.reviews()
    assert isinstance(event.reviewer, str)
    sealer = Sealer(Seal.model_validate(SEAL))
    assert sealer.open_reviewer(str(event.event_id), event.reviewer).phone == who["电话"]
    assert (event.real_name, event.reviewer_mark) == (True, sealer.mark(who["电话"]))
    assert not any(value.encode() in msgspec.json.encode(event) for value in who.values())
    listed = (desk.folder / "import" / f"{BATCH}.differences.csv").read_text(encoding="utf-8-sig")
    assert HIDDEN in listed
    assert "138****5678" in listed
    assert not any(value in listed for value in who.values())


def test_without_a_key_no_identity_is_taken(desk: Desk) -> None:
    keyed = desk.keyed({1: line(姓名="李四")})
    bare = Settings.model_validate({"stack": {"data_dir": desk.folder}})
    with pytest.raises(CannotImportError, match="no reviewer's identity"):
        import_paper(bare, *keyed, connect=desk.log)
    assert desk.log.kept == []


def test_keyings_that_differ_publish_nothing_and_say_where(desk: Desk) -> None:
    first = {1: line(), 2: line(满意度="1 非常不满意", 原因1="108"), 3: line(), 4: line(办件编号="A")}
    second = {1: line(), 2: line(满意度="2"), 4: line(办件编号="B"), 5: line()}
    keyed = desk.keyed(first, second, returned=5)
    with pytest.raises(CannotImportError, match="4 of 5 forms differ or are wrong, nothing is published"):
        desk.publish(*keyed)
    assert desk.log.kept == []
    assert desk.problems() == [
        ("002", "满意度", "两次录入不一致"),
        ("002", "原因", "两次录入不一致"),
        ("003", "", "只有一份录入了这张表"),
        ("004", "办件编号", "两次录入不一致"),
        ("005", "", "只有一份录入了这张表"),
    ]
    outcome = desk.publish(*keyed, agreeing_only=True)
    assert (outcome.published, outcome.troubled, outcome.problems) == (1, 4, 5)
    assert [event.form_no for event in desk.reviews()] == [f"{BATCH}-001"]


SAME: list[tuple[dict[str, str], dict[str, str]]] = [
    ({"满意度": "5 非常满意"}, {"满意度": "非常满意"}),
    ({"评价日期": "2026-11-02"}, {"评价日期": "2026/11/2"}),
    ({"原因1": "510", "原因2": "511"}, {"原因5": "511", "原因8": "510 一窗受理一次办结"}),
    ({"意见": "很好，谢谢！"}, {"意见": "很好, 谢谢"}),
    ({"电话": "138 1234 5678"}, {"电话": "13812345678"}),
    ({"办件编号": "ＭＸ１"}, {"办件编号": "MX1"}),
    ({"部门": "县公安局"}, {"部门": departments()[0].code}),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_what_is_no_difference(desk: Desk, one: dict[str, str], other: dict[str, str]) -> None:
    assert desk.publish(*desk.keyed({1: line(**one)}, {1: line(**other)})).published == 1


WRONG = [
    ({"满意度": "6"}, "满意度"),
    ({"满意度": ""}, "满意度"),
    ({"评价日期": "十一月二日"}, "评价日期"),
    ({"评价日期": "2062-11-02"}, "评价日期"),
    ({"评价日期": ""}, "评价日期"),
    ({"扫描件编号": ""}, "扫描件编号"),
    ({"服务次数": "两次"}, "服务次数"),
    ({"服务次数": "100"}, "服务次数"),
    ({"原因2": "999"}, "原因2"),
    ({"部门": "公安"}, "部门"),
    ({"办件编号": "6.10326202611E+17"}, "办件编号"),
    ({"意见": "长" * 2001}, "意见"),
]


@pytest.mark.parametrize(("cells", "column"), WRONG)
def test_what_both_keyed_wrongly_is_told_with_its_column(
    desk: Desk, cells: dict[str, str], column: str
) -> None:
    keyed = desk.keyed({1: line(), 2: line(**cells)})
    outcome = desk.publish(*keyed, agreeing_only=True)
    assert (outcome.published, outcome.troubled) == (1, 1)
    assert set(desk.places()) == {("002", column, "3", "3")}


def push_down(keyed: Path) -> None:
    """Somebody put an empty row above the first form."""
    book = load_workbook(keyed)
    book[FORMS_SHEET].insert_rows(2)
    book.save(keyed)


def test_each_line_of_the_list_names_the_row_of_either_sheet(desk: Desk) -> None:
    same: Lines = {2: line(服务次数="100"), 4: line(评价日期="2062-11-02"), 5: line(满意度="六")}
    first, second = {1: line(), 3: line(), **same}, {1: line(满意度="4"), **same}
    keyed = desk.keyed(first, second, returned=5)
    push_down(keyed[1])
    desk.publish(*keyed, agreeing_only=True)
    assert sorted(desk.places()) == [
        ("001", "满意度", "2", "3"),
        ("002", "服务次数", "3", "4"),
        ("003", "", "4", ""),
        ("004", "评价日期", "5", "6"),
        ("005", "满意度", "6", "7"),
        ("005", "满意度", "6", "7"),
    ]


REASONS_TOLD = [f"{tag.code} {tag.text}" for tag in reason_codes().values()][:5]
LIMITS = [
    ({"服务次数": "100"}, "两份相同：不能大于 99"),
    ({"服务次数": "0"}, "两份相同：不能小于 1"),
    ({"意见": "长" * 2001}, "两份相同：最多 2000 个字"),
    ({"窗口": "A" * 65}, "两份相同：最多 64 个字"),
    ({"评价日期": "1999-11-02"}, "两份相同：时间早于 2000 年，或比现在晚一天以上"),
    ({"评价日期": "十一月"}, "第一份：时间格式不对，请写成 2026-11-02"),
    ({"原因1": "999"}, f"第一份：不是规定的取值，可以填：{'、'.join(REASONS_TOLD)} 等"),
    (
        {"满意度": "六"},
        "第一份：不是规定的取值，可以填：5 非常满意、4 满意、3 基本满意、2 不满意、1 非常不满意 等",
    ),
]


@pytest.mark.parametrize(("cells", "said"), LIMITS)
def test_an_officer_is_told_what_the_cell_may_say(desk: Desk, cells: dict[str, str], said: str) -> None:
    desk.publish(*desk.keyed({1: line(**cells)}), agreeing_only=True)
    assert desk.problems()[0][2] == said


def test_a_reason_of_another_level_or_a_retired_one_is_the_citizens_own(desk: Desk) -> None:
    desk.publish(*desk.keyed({1: line(原因1="214", 原因2="102 承诺在线收取申报材料实际无法收取")}))
    assert desk.reviews()[0].reason_codes == ["102", "214"]


def test_a_list_of_an_earlier_try_goes_when_all_agrees(desk: Desk) -> None:
    with pytest.raises(CannotImportError):
        desk.publish(*desk.keyed({1: line()}, {1: line(满意度="4")}))
    desk.publish(*desk.keyed({1: line()}))
    assert not list((desk.folder / "import").glob("*.csv"))


TOTALS: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"returned": 3}, {}, "3 forms came back, and 2 are keyed"),
    ({"returned": 2}, {"forms": 3}, "3 forms came back, and 2 are keyed"),
    ({"bad": 2}, {}, "2 bad reviews were counted on paper, and 1 are keyed"),
    ({"returned": 3}, {"agreeing_only": True}, "find the others"),
]


@pytest.mark.parametrize(("totals", "options", "said"), TOTALS)
def test_a_total_that_does_not_come_out(
    desk: Desk, totals: dict[str, Any], options: dict[str, Any], said: str
) -> None:
    keyed = desk.keyed({1: line(), 2: line(满意度="1")}, **totals)
    with pytest.raises(CannotImportError, match=said):
        desk.publish(*keyed, **options)
    assert desk.log.kept == []


def test_totals_that_are_not_there_or_differ(desk: Desk) -> None:
    lines: Lines = {1: line()}
    one, other = keying(desk.folder, "甲", lines, returned=1), keying(desk.folder, "乙", lines, returned=2)
    with pytest.raises(CannotImportError, match="different totals in 收回份数"):
        desk.publish(one, other)
    for path in (one, other):
        book = load_workbook(path)
        book["批次"]["B5"] = None
        book.save(path)
    with pytest.raises(CannotImportError, match="say --forms N"):
        desk.publish(one, other)
    assert desk.publish(one, other, forms=1).published == 1
    book["批次"]["B5"] = "几份"
    book.save(other)
    with pytest.raises(CannotImportError, match="no number of forms"):
        desk.publish(one, other)


def test_two_people_key_not_one(desk: Desk) -> None:
    one, other = desk.keyed({1: line()})
    copy = desk.folder / "copy.xlsx"
    copy.write_bytes(one.read_bytes())
    with pytest.raises(CannotImportError, match="are one file"):
        desk.publish(one, copy)
    book = load_workbook(other)
    for name in ("甲", None):
        book["批次"]["B7"] = name
        book.save(other)
        with pytest.raises(CannotImportError, match=r"two different people|are one file"):
            desk.publish(one, other)
    third = keying(desk.folder, "丙", {1: line()}, issue=ISSUE._replace(batch="P20261102-OTHER"))
    with pytest.raises(CannotImportError, match="of two batches"):
        desk.publish(one, third)


def broken(book: Any) -> Iterator[str]:
    """Ways to break a template, and what is said."""
    sheet = book[FORMS_SHEET]
    for number, said in (
        ("P1-001", "not of batch"),
        (f"{BATCH}-007", "not of batch"),
        (f"{BATCH}-002", "there twice"),
    ):
        sheet["A2"] = number
        yield said
    sheet["A2"], sheet.cell(2, len(COLUMNS) + 1).value = f"{BATCH}-001", "x"
    yield "beyond the last column"
    sheet.cell(2, len(COLUMNS) + 1).value, sheet["B1"] = None, "单位"
    yield "has lost 部门"
    sheet["B1"], book["批次"]["B2"] = "部门", None
    yield "has no 批次号"
    book["批次"]["B2"] = "../../P20261102-TEST2"  # it names a file of ours
    yield "has no 批次号"
    del book["批次"]
    yield "no sheet 批次"


def test_a_template_that_was_tampered_with(tmp_path: Path) -> None:
    path = keying(tmp_path, "甲", {1: line()})
    book = load_workbook(path)
    assert keyed(path).forms
    for said in broken(book):
        book.save(path)
        with pytest.raises(CannotImportError, match=said):
            keyed(path)
    (tmp_path / "forms.csv").touch()
    with pytest.raises(CannotImportError, match="hcp import paper template"):
        keyed(tmp_path / "forms.csv")


def keyed(path: Path) -> Keying:
    with opened(path) as file:
        return read_keying(file)


def test_a_dry_run_sends_nothing(desk: Desk) -> None:
    outcome = desk.publish(*desk.keyed({1: line()}), dry_run=True)
    assert desk.log.kept == []
    assert "nothing published (--dry-run), 1 would be" in outcome.lines()[0]


cells = st.dictionaries(
    st.sampled_from(["满意度", "办件编号", "原因1", "意见", "评价日期", *PERSONAL]),
    st.sampled_from(["1", "2", "510", "2026-11-01"]),
    max_size=3,
)


@hypothesis(max_examples=30, deadline=None)
@given(
    forms=st.dictionaries(st.integers(1, 6), cells, min_size=1),
    changes=st.dictionaries(st.integers(1, 6), cells, max_size=3),
)
def test_each_form_is_published_or_told_and_what_differs_is_never_published(
    tmp_path_factory: pytest.TempPathFactory,
    forms: dict[int, dict[str, str]],
    changes: dict[int, dict[str, str]],
) -> None:
    desk = Desk(tmp_path_factory.mktemp("paper"))
    first = {number: line(**said) for number, said in forms.items()}
    second = {number: said | changes.get(number, {}) for number, said in first.items()}
    outcome = desk.publish(*desk.keyed(first, second), agreeing_only=True)
    published = {int(event.form_no[-3:]) for event in desk.reviews()}
    told = {int(number) for number, _, _ in desk.problems()} if outcome.listed else set()
    assert published | told == set(first)
    assert published.isdisjoint(told)
    assert published.isdisjoint(number for number in first if first[number] != second[number])


def test_the_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HCP_STACK__DATA_DIR", str(tmp_path))
    out = tmp_path / "out.xlsx"
    words = [
        "import",
        "paper",
        "template",
        "--hall",
        "H1",
        "-n",
        "3",
        "-o",
        str(out),
        "--window",
        "A",
        "--window",
        "B",
    ]
    assert "6 forms" in CliRunner().invoke(app, words).stdout
    keyed = [
        str(keying(tmp_path, name, {1: line(), 2: line(意见=text)}))
        for name, text in (("甲", "好"), ("乙", "坏"))
    ]
    result = CliRunner().invoke(app, ["import", "paper", "keyed", *keyed, "--agreeing-only", "--dry-run"])
    assert result.exit_code == 1
    assert "2 forms keyed, nothing published (--dry-run), 1 would be, 1 not, 4 unused" in result.stdout
    assert f"{BATCH}.differences.csv" in result.stdout
