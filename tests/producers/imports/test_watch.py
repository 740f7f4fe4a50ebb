"""A watched folder: files that are still being written, good ones, broken ones, the same again, a crash between two steps."""

import csv
import os
import signal
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from kafka.errors import KafkaTimeoutError
from typer.testing import CliRunner

from producers.cli import app
from producers.errors import CannotImportError, NotPublishedError
from producers.imports.alone import alone
from producers.imports.known import load
from producers.imports.polling import poll, until_told
from producers.imports.sheet_file import opened
from producers.imports.watch import Taken, Watch, importer
from producers.imports.watched_folder import DONE, REFUSED
from tests.producers.imports.test_cases import HEADER, Log, line, settings_in, sheet
from tests.wait import wait_for

REST = 10.0


class Time:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Bench:
    """A folder that is watched, and the log behind it."""

    def __init__(self, folder: Path, log: Log | None = None, *, dry_run: bool = False) -> None:
        self.folder = folder / "in"
        self.folder.mkdir(exist_ok=True)
        self.state = folder / "state"
        self.log, self.clock = log or Log(), Time()
        run = importer(settings_in(self.state), load("department-excel"), "department-excel", self.log)
        self.watch = Watch(self.folder, run, REST, dry_run=dry_run, clock=self.clock)

    def look(self) -> list[Taken]:
        return list(self.watch.look())

    def rested(self) -> list[Taken]:
        """Two looks, with time enough between them."""
        assert self.look() == []
        self.clock.now += REST
        return self.look()

    def names(self) -> set[str]:
        return {str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if path.is_file()}


def test_a_good_file_goes_to_done_with_what_is_to_mend_beside_it(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    sheet(bench.folder, [line(0), line(1)]).chmod(0o640)
    (taken,) = bench.rested()
    assert taken.report is not None
    assert (taken.report.published, len(bench.log.kept)) == (2, 2)
    assert bench.names() == {"done/cases.csv", "done/cases.csv.remarks.csv"}
    assert stat.S_IMODE((bench.folder / "done/cases.csv.remarks.csv").stat().st_mode) == 0o640
    assert bench.look() == []
    assert taken.lines()[-1] == "now in done/cases.csv"
    assert (
        f"rows with something to mend (需更正): {bench.folder / 'done/cases.csv.remarks.csv'}"
        in taken.lines()
    )


def test_a_file_with_wrong_rows_goes_to_refused_and_the_right_rows_to_the_log(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    sheet(bench.folder, [line(0), line(1, dept="没有的局"), line(2)])
    bench.rested()
    assert [event.case_no for event, _ in bench.log.kept] == ["MX0", "MX2"]
    listed = (bench.folder / REFUSED / "cases.csv.errors.csv").read_text(encoding="utf-8-sig")
    assert next(csv.DictReader(listed.splitlines()))["行号"] == "3"
    assert f"{REFUSED}/cases.csv" in bench.names()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("cases.csv", b""),
        ("cases.csv", b"a,b\n"),
        ("cases.xlsx", b"PK"),
        ("cases.pdf", b"%PDF"),
        ("c.csv", b"x\n1\n"),
    ],
)
def test_a_file_that_is_no_sheet_goes_to_refused_with_the_reason(
    tmp_path: Path, name: str, content: bytes
) -> None:
    bench = Bench(tmp_path)
    (bench.folder / name).write_bytes(content)
    (taken,) = bench.rested()
    assert taken.report is None
    assert bench.names() == {f"{REFUSED}/{name}", f"{REFUSED}/{name}.errors.csv"}
    text = (bench.folder / REFUSED / f"{name}.errors.csv").read_text(encoding="utf-8-sig")
    assert "整个文件无法读取" in text


def test_a_file_that_still_grows_is_left_alone(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    path = sheet(bench.folder, [line(0)])
    assert bench.look() == []
    for _ in range(5):
        bench.clock.now += REST - 0.5
        with path.open("a", encoding="utf-8") as out:
            out.write(line(1) + "\n")
        os.utime(path, ns=(int(bench.clock.now) * 10**9,) * 2)
        assert bench.look() == []
    bench.clock.now += REST
    assert len(bench.look()) == 1


@pytest.mark.parametrize(
    "name", [".cases.csv", "~$cases.xlsx", "cases.csv.part", "CASES.TMP", "x.crdownload"]
)
def test_what_is_not_there_yet_is_not_seen(tmp_path: Path, name: str) -> None:
    bench = Bench(tmp_path)
    (bench.folder / name).write_text("x")
    (bench.folder / "archive").mkdir()
    assert bench.rested() == []
    assert name in bench.names()


def test_the_same_file_again_sends_nothing_and_loses_no_file(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    for _ in range(3):
        sheet(bench.folder, [line(0)])
        bench.rested()
    assert len(bench.log.kept) == 1
    assert {f"{DONE}/cases.csv", f"{DONE}/cases-2.csv", f"{DONE}/cases-3.csv"} < bench.names()


def test_the_same_file_with_errors_again_is_refused_again_with_its_list(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    for _ in range(2):
        sheet(bench.folder, [line(0), line(1, dept="没有的局")])
        bench.rested()
    assert len(bench.log.kept) == 1
    assert {f"{REFUSED}/cases.csv.errors.csv", f"{REFUSED}/cases-2.csv.errors.csv"} < bench.names()


def test_a_crash_before_the_move_moves_it_the_next_time(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    path = sheet(bench.folder, [line(0), line(1, dept="没有的局")])
    run = importer(settings_in(bench.state), load("department-excel"), "department-excel", bench.log)
    with opened(path) as file:
        run(file, dry_run=False)
    assert bench.names() == {"cases.csv"}
    again = Bench(tmp_path, bench.log)
    (taken,) = again.rested()
    assert len(bench.log.kept) == 1
    assert taken.report is not None
    assert taken.report.counts.unmapped == 1
    assert f"{REFUSED}/cases.csv.errors.csv" in again.names()


def test_a_log_that_is_away_leaves_the_file_where_it_is(tmp_path: Path) -> None:
    bench = Bench(tmp_path, Log(0))
    sheet(bench.folder, [line(0)])
    with pytest.raises(NotPublishedError):
        bench.rested()
    assert bench.names() == {"cases.csv"}
    assert len(bench.look()) == 1
    assert len(bench.log.kept) == 1


def test_a_dry_run_moves_and_sends_nothing(tmp_path: Path) -> None:
    bench = Bench(tmp_path, dry_run=True)
    sheet(bench.folder, [line(0), line(1, dept="没有的局")])
    (bench.folder / "x.pdf").write_text("x")
    good, bad = sorted(bench.rested(), key=lambda taken: taken.name)
    assert bench.names() == {"cases.csv", "x.pdf"}
    assert bench.log.kept == []
    assert good.report is not None
    assert "would be" in good.lines()[0]
    assert bad.lines() == [f"x.pdf: refused, {bad.said}"]


def test_one_folder_has_one_watcher(tmp_path: Path) -> None:
    with alone(tmp_path), pytest.raises(CannotImportError, match="already imports from"), alone(tmp_path):
        pass
    with alone(tmp_path):
        pass
    with pytest.raises(CannotImportError, match="cannot be opened"), alone(tmp_path / "absent"):
        pass


def test_polling_goes_on_after_what_can_be_tried_again_and_ends_when_told() -> None:
    said: list[str] = []
    steps = iter([NotPublishedError("gone"), KafkaTimeoutError("x"), None])

    def step() -> None:
        error = next(steps)
        if error:
            raise error
        os.kill(os.getpid(), signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    with until_told() as stop:
        poll(step, 0.01, stop, said.append)
        wait_for(stop.is_set, 5)
    assert said == [
        "gone; next try in 0.01 s",
        "Kafka does not answer (KafkaTimeoutError); next try in 0.01 s",
    ]
    assert signal.getsignal(signal.SIGTERM) is before


def test_the_command_looks_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HCP_STACK__DATA_DIR", str(tmp_path / "state"))
    folder = tmp_path / "in"
    folder.mkdir()
    sheet(folder, [line(0)])
    words = ["import", "watch", str(folder), "--source", "department-excel", "--rest", "0", "--dry-run"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0
    assert "1 would be" in result.stdout


Step = tuple[str, int]
steps = st.lists(
    st.tuples(st.sampled_from(["put", "look", "rest", "crash", "away"]), st.integers(0, 3)), max_size=14
)


@hypothesis(max_examples=40, deadline=None)
@given(steps)
def test_whatever_happens_every_row_arrives_and_every_file_is_somewhere(
    tmp_path_factory: pytest.TempPathFactory, history: list[Step]
) -> None:
    folder, log = tmp_path_factory.mktemp("watch"), Log()
    bench, put = Bench(folder, log), list[int]()
    for step, number in [*history, ("rest", 0), ("rest", 0)]:
        match step:
            case "put":
                name = f"{len(put)}.csv"
                (bench.folder / name).write_text(f"{HEADER}\n{line(number)}\n", encoding="utf-8")
                put.append(number)
            case "crash":
                bench = Bench(folder, log)
            case "away":
                log._left = [0]
            case _:
                bench.clock.now += REST if step == "rest" else 0
                try:
                    bench.look()
                except NotPublishedError:
                    continue
    log._left = []
    bench.look()
    bench.clock.now += REST
    bench.look()
    assert {event.case_no for event, _ in log.kept} == {f"MX{number}" for number in put}
    moved = [name for name in bench.names() if name.startswith(DONE) and "remarks" not in name]
    assert len(moved) == len(put)
