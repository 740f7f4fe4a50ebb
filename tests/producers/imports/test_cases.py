"""Importing: once, twice, interrupted anywhere; what is refused is in the error file and nothing else is."""

import csv
import stat
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from pipeline.settings import Settings
from producers import state
from producers.cli import app
from producers.errors import AlreadyImportedError, CannotImportError, DamagedError, NotPublishedError
from producers.imports.cases import ROWS_A_FLUSH, import_cases
from producers.imports.kinds import RowKind
from producers.imports.report import Report
from producers.imports.shift import parse, to_now
from producers.imports.standing import Standing
from schemas.catalogue import departments
from schemas.events import CaseEvent

HEADER = "办件编号,服务次数,事项名称,实施编码,部门,办理方式,受理时间,办理时间,窗口,工作人员,状态"
MANY = 2 * ROWS_A_FLUSH + 200


class Log:
    """A log that fails at given sends: what was not flushed before has arrived, or not. Connects to itself."""

    def __init__(self, *fail_at: int) -> None:
        self.kept: list[tuple[CaseEvent, str]] = []
        self.bodies: set[bytes] = set()
        self._sent: list[tuple[CaseEvent, str]] = []
        self._left = list(fail_at)

    def send(self, event: CaseEvent, source: str) -> None:
        if self._left and len(self._sent) == self._left[0]:
            self._left.pop(0)
            self._sent.clear()
            raise NotPublishedError("gone")
        self._sent.append((event, source))
        self.bodies.add(msgspec.json.encode(event))

    def flush(self) -> None:
        self.kept += self._sent
        self._sent.clear()

    def __call__(self, _: Settings) -> Self:
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """Nothing to close."""


def line(number: int, **cells: str) -> str:
    row = {"no": f"MX{number}", "dept": departments()[number % 31].name, "staff": "张三"} | cells
    return f"{row['no']},1,事项,I{number},{row['dept']},线上,,2026-11-02 09:{number % 60:02}:00,A1,{row['staff']},办结"


def sheet(folder: Path, lines: list[str], name: str = "cases.csv") -> Path:
    path = folder / name
    path.write_text("\n".join([HEADER, *lines]) + "\n", encoding="utf-8")
    return path


def settings_in(folder: Path) -> Settings:
    return Settings.model_validate({"stack": {"data_dir": folder}})


def run(folder: Path, path: Path, log: Log, **options: Any) -> Report:
    return import_cases(settings_in(folder), "department-excel", path, connect=log, **options)


def fates(report: Report) -> tuple[int, ...]:
    """Rows: in the file, published now, earlier, the same again, not mapped."""
    counts = report.counts
    assert counts.rows == counts.mapped + counts.repeated + counts.unmapped
    return counts.rows, report.published, report.earlier, counts.repeated, counts.unmapped


def test_once_and_twice_and_again(tmp_path: Path) -> None:
    path, log = sheet(tmp_path, [line(n) for n in range(3)]), Log()
    assert fates(run(tmp_path, path, log)) == (3, 3, 0, 0, 0)
    assert {source for _, source in log.kept} == {"/import/department-excel"}
    renamed = path.rename(tmp_path / "renamed.csv")
    with pytest.raises(
        AlreadyImportedError, match=r"renamed\.csv is already imported; --again sends it again"
    ):
        run(tmp_path, renamed, log)
    assert len(log.kept) == 3
    assert run(tmp_path, renamed, log, again=True).published == 3
    once, twice = log.kept[:3], log.kept[3:]
    for (first, _), (second, _) in zip(once, twice, strict=True):
        assert first.received_at is not None
        assert second.received_at is not None
        assert second.received_at > first.received_at
        first.received_at = second.received_at = None
        assert first == second


def test_an_import_goes_on_after_the_last_acknowledged_row(tmp_path: Path) -> None:
    path, log = sheet(tmp_path, [line(n) for n in range(MANY)]), Log(30)
    seen: list[tuple[int, int | None]] = []
    with pytest.raises(NotPublishedError):
        run(tmp_path, path, log)
    log = Log()
    log.flush = fail_second(log.flush)  # type: ignore[method-assign]
    with pytest.raises(NotPublishedError):
        run(tmp_path, path, log, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(ROWS_A_FLUSH, MANY)]
    rest = Log()
    report = run(tmp_path, path, rest, progress=lambda done, total: seen.append((done, total)))
    assert fates(report) == (MANY, MANY - ROWS_A_FLUSH, ROWS_A_FLUSH, 0, 0)
    assert seen[1:] == [(2 * ROWS_A_FLUSH, MANY), (MANY, MANY)]
    assert rest.kept[0][0].case_no == f"MX{ROWS_A_FLUSH}"


def fail_second(flush: Any) -> Any:
    calls = iter([True, False])

    def fail() -> None:
        if not next(calls):
            raise NotPublishedError("gone")
        flush()

    return fail


@settings(max_examples=25, deadline=None)
@given(
    points=st.lists(st.integers(0, ROWS_A_FLUSH), max_size=4),
    refused=st.sets(st.integers(0, MANY - 1), max_size=9),
)
def test_whatever_interrupts_it_every_row_arrives_with_the_same_body(
    points: list[int], refused: set[int]
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lines = [line(n, dept="没有的局" if n in refused else "县公安局") for n in range(MANY)]
        path, log, report = sheet(folder, lines), Log(*points), None
        while report is None:
            try:
                report = run(folder, path, log)
            except NotPublishedError:
                continue
    assert {event.case_no for event, _ in log.kept} == {f"MX{n}" for n in range(MANY) if n not in refused}
    assert len(log.bodies) == MANY - len(refused)
    assert (report.rows, report.counts.unmapped) == (MANY, len(refused))


def test_what_cannot_be_read_is_in_the_error_file_and_the_rest_on_the_log(tmp_path: Path) -> None:
    lines = [line(0), line(1, dept="=cmd()"), line(2, staff="@x") + ",-1", line(3)]
    path, log = sheet(tmp_path, lines), Log()
    report = run(tmp_path, path, log)
    assert [event.case_no for event, _ in log.kept] == ["MX0", "MX3"]
    assert fates(report) == (4, 2, 0, 0, 2)
    assert report.errors == tmp_path / "import" / "cases.errors.csv"
    assert report.errors.read_bytes().startswith(b"\xef\xbb\xbf")
    assert stat.S_IMODE(report.errors.stat().st_mode) == 0o600
    header, one, two = csv.reader(report.errors.read_text(encoding="utf-8-sig").splitlines())
    assert header == ["行号", "列", "问题", *HEADER.split(","), "表头以外"]
    assert one[:2] == ["3", "部门"]
    assert one[7] == "'=cmd()"
    assert (two[0], two[12], two[14]) == ("4", "'@x", "'-1")


def test_without_errors_there_is_no_error_file(tmp_path: Path) -> None:
    run(tmp_path, sheet(tmp_path, [line(1, dept="没有的局")]), Log())
    report = run(tmp_path, sheet(tmp_path, [line(1)]), Log())
    assert report.errors is None
    assert not list((tmp_path / "import").glob("*.errors.csv*"))


def test_errors_of_rows_before_an_interruption_are_still_told(tmp_path: Path) -> None:
    lines = [line(0, dept="没有的局"), *(line(n) for n in range(1, MANY))]
    path, log = sheet(tmp_path, lines), Log()
    log.flush = fail_second(log.flush)  # type: ignore[method-assign]
    with pytest.raises(NotPublishedError):
        run(tmp_path, path, log)
    assert run(tmp_path, path, Log()).counts.unmapped == 1


def test_a_dry_run_sends_and_keeps_nothing(tmp_path: Path) -> None:
    path, log = sheet(tmp_path, [line(0), line(1, dept="没有的局")]), Log()
    report = run(tmp_path, path, log, dry_run=True)
    assert fates(report) == (2, 0, 0, 0, 1)
    assert {file.name for file in (tmp_path / "import").iterdir()} == {
        "cases.errors.csv",
        "cases.remarks.csv",
    }
    assert log.kept == []


def test_the_standing_is_ours_alone(tmp_path: Path) -> None:
    run(tmp_path, sheet(tmp_path, [line(0)]), Log())
    (file,) = (tmp_path / "import").glob("*.json")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert state.read(file, Standing) is not None
    file.write_text("{")
    with pytest.raises(DamagedError, match="damaged"):
        run(tmp_path, tmp_path / "cases.csv", Log())


def test_the_shift_is_decided_once(tmp_path: Path) -> None:
    path, log = sheet(tmp_path, [line(n) for n in range(3)]), Log(1)
    before = datetime.now(UTC)
    with pytest.raises(NotPublishedError):
        run(tmp_path, path, log, shift="auto")
    report = run(tmp_path, path, log)
    served = [event.served_at for event, _ in log.kept]
    assert abs(max(served) - before) < timedelta(seconds=10)
    assert served[2] - served[0] == timedelta(minutes=2)
    assert max(served) - report.shift == datetime(2026, 11, 2, 1, 2, tzinfo=UTC)
    with pytest.raises(CannotImportError, match="imported with its times moved by"):
        run(tmp_path, path, log, shift=timedelta(), again=True)
    assert run(tmp_path, path, log, shift="auto", again=True).shift == report.shift


def test_the_words_for_a_shift() -> None:
    assert (parse(None), parse("auto"), parse("none"), parse("-30d")) == (
        None,
        "auto",
        timedelta(),
        timedelta(-30),
    )
    with pytest.raises(CannotImportError, match="auto, none"):
        parse("30")
    now = datetime(2026, 11, 23, tzinfo=UTC)
    typo = now + timedelta(days=3650)
    assert to_now([now - timedelta(days=9), now - timedelta(days=2, seconds=0.4), typo], now) == timedelta(
        days=2
    )
    assert to_now([], now) == timedelta()


def test_the_command_says_what_came_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HCP_STACK__DATA_DIR", str(tmp_path))
    path = sheet(tmp_path, [line(0), line(1, dept="没有的局")])
    words = ["import", "cases", "--source", "department-excel", "--dry-run", "--shift", "10d", str(path)]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 1
    assert (
        "2 rows, nothing published (--dry-run), 1 would be, 0 duplicate in the file, 1 not mapped"
        in result.stdout
    )
    assert "times: moved by 10 days" in result.stdout
    assert str(tmp_path / "import" / "cases.errors.csv") in result.stderr
    result = CliRunner().invoke(app, ["import", "cases", "--source", "nonsense", str(path)])
    assert isinstance(result.exception, CannotImportError), "the root of the command line prints its sentence"
    assert "known are compact-times, department-excel" in str(result.exception)
    assert (
        "municipal-permit (cases): building permits" in CliRunner().invoke(app, ["import", "sources"]).stdout
    )


def test_rows_that_are_something_else_have_another_command(tmp_path: Path) -> None:
    path = sheet(tmp_path, [line(0)])
    with pytest.raises(CannotImportError, match="use `hcp import cases`"):
        run(tmp_path, path, Log(), kind=RowKind.REVIEW)
    words = ["import", "reviews", "--source", "department-excel", str(path)]
    assert isinstance(CliRunner().invoke(app, words).exception, CannotImportError)
