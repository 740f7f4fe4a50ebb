"""A watched folder: files that are still being written, good ones, broken ones, the same again, a crash between two steps."""

import csv
import errno
import os
import signal
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from kafka.errors import KafkaTimeoutError
from typer.testing import CliRunner

from producers.cli import app
from producers.errors import CannotImportError, DamagedError, NotPublishedError, RetryLaterError
from producers.imports.alone import alone
from producers.imports.known import load
from producers.imports.polling import poll, until_told
from producers.imports.report import Report
from producers.imports.watch import Importer, Taken, Watch, importer
from producers.imports.watched_folder import DONE, REFUSED
from producers.sheets.sheet_file import SheetFile, opened
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


def secret_in(folder: Path) -> Path:
    secret = folder / "secret.csv"
    secret.write_text("geheim\n1\n", encoding="utf-8")
    secret.chmod(0o600)
    return secret


def test_a_file_that_is_swapped_for_a_link_after_the_look_is_not_read(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    os.utime(sheet(bench.folder, [line(0)], "first.csv"), (1, 1))
    second = sheet(bench.folder, [line(1)], "second.csv")
    assert bench.look() == []
    bench.clock.now += REST
    looking = bench.watch.look()
    assert next(looking).name == "first.csv"
    second.unlink()
    second.symlink_to(secret_in(tmp_path))
    (taken,) = looking
    assert "links are not followed" in taken.said
    assert (bench.folder / REFUSED / "second.csv").is_symlink()
    assert "geheim" not in (bench.folder / REFUSED / "second.csv.errors.csv").read_text(encoding="utf-8")


class Swapping:
    """An importer that does something to the folder when it has read the file."""

    def __init__(self, run: Importer, swap: Callable[[], object]) -> None:
        self._run, self._swap = run, swap

    def __call__(self, file: SheetFile, *, dry_run: bool) -> Report:
        report = self._run(file, dry_run=dry_run)
        self._swap()
        return report


@pytest.mark.parametrize("wrong", [[], [line(9, dept="没有的局")]])
def test_a_file_that_is_replaced_while_it_is_read_is_not_taken_for_the_one_that_was(
    tmp_path: Path, wrong: list[str]
) -> None:
    bench = Bench(tmp_path)
    sheet(bench.folder, [line(0), *wrong])
    run = bench.watch._import
    bench.watch._import = Swapping(
        run, lambda: sheet(bench.folder, [line(1)], "new.csv").replace(bench.folder / "cases.csv")
    )
    (taken,) = bench.rested()
    assert (taken.place, taken.left) == (None, True)
    assert bench.names() == {"cases.csv"}
    bench.watch._import = run
    bench.rested()
    assert f"{DONE}/cases.csv" in bench.names()
    assert {event.case_no for event, _ in bench.log.kept} == {"MX0", "MX1"}


def test_what_is_written_to_a_file_while_it_is_read_changes_nothing_and_is_read_later(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    path = sheet(bench.folder, [line(n) for n in range(3)])
    with opened(path) as file:
        before = list(file.lines())
        path.write_text("other\n", encoding="utf-8")
        assert list(file.lines()) == before
        assert len(before) == 4


@pytest.mark.parametrize("name", [DONE, REFUSED])
def test_a_tray_that_is_no_folder_of_its_own_is_refused_before_anything_is_sent(
    tmp_path: Path, name: str
) -> None:
    bench = Bench(tmp_path)
    sheet(bench.folder, [line(0)])
    (tmp_path / "elsewhere").mkdir()
    for link in (True, False):
        tray = bench.folder / name
        tray.symlink_to(tmp_path / "elsewhere") if link else tray.touch()
        with pytest.raises(RetryLaterError, match=f"{name} must be a folder, and no link to one"):
            bench.rested()
        tray.unlink()
    assert bench.log.kept == []
    bench.rested()
    assert len(bench.log.kept) == 1
    assert not list((tmp_path / "elsewhere").iterdir())


def test_a_tray_that_is_swapped_for_a_link_meanwhile_leads_nowhere(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    sheet(bench.folder, [line(0)])

    def swap() -> None:
        (bench.folder / DONE).rename(bench.folder / "was done")
        (bench.folder / DONE).symlink_to(tmp_path / "elsewhere")

    bench.watch._import = Swapping(bench.watch._import, swap)
    bench.rested()
    assert not list((tmp_path / "elsewhere").iterdir())
    assert "was done/cases.csv" in bench.names()


def test_a_folder_that_is_gone_is_said_and_looked_for_again(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.folder.rename(tmp_path / "moved")
    with pytest.raises(RetryLaterError, match="cannot be opened: No such file"):
        bench.look()
    (tmp_path / "moved").rename(bench.folder)
    assert bench.look() == []


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device; tried again"),
        (DamagedError("state is damaged"), "state is damaged; tried again"),
        (ZeroDivisionError(), "an error of ours (ZeroDivisionError), please report it; tried again"),
    ],
)
def test_what_goes_wrong_with_one_file_stops_no_other(tmp_path: Path, error: Exception, said: str) -> None:
    bench = Bench(tmp_path)
    os.utime(sheet(bench.folder, [line(0)], "first.csv"), (1, 1))
    sheet(bench.folder, [line(1)], "second.csv")
    run = bench.watch._import

    def fail(file: SheetFile, *, dry_run: bool) -> Report:
        if file.name == "first.csv":
            raise error
        return run(file, dry_run=dry_run)

    bench.watch._import = fail
    first, second = bench.rested()
    assert first.lines() == [f"first.csv: left where it is, {said}"]
    assert second.place is not None
    bench.watch._import = run
    bench.rested()
    assert {event.case_no for event, _ in bench.log.kept} == {"MX0", "MX1"}


def test_a_list_is_for_nobody_who_could_not_read_the_file(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    for mode in (0o600, 0o640, 0o777):
        sheet(bench.folder, ["x"], f"{mode:o}.csv").chmod(mode)
        (bench.folder / f"{mode:o}.pdf").touch(mode)
        (bench.folder / f"{mode:o}.pdf").chmod(mode)
    bench.rested()
    modes = {
        path.name: stat.S_IMODE(path.stat().st_mode) for path in (bench.folder / REFUSED).glob("*.errors.csv")
    }
    assert set(modes) == {f"{mode}.{kind}.errors.csv" for mode in (600, 640, 777) for kind in ("csv", "pdf")}
    assert {mode for name, mode in modes.items() if name.startswith("600")} == {0o600}
    assert {mode for name, mode in modes.items() if name.startswith("640")} == {0o640}
    assert {mode for name, mode in modes.items() if name.startswith("777")} == {0o664}


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
