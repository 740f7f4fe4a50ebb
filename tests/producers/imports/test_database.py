"""A foreign database, polled: ties, late commits, kills, rows that are told once; SQLite here, PostgreSQL in tests/system."""

import csv
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from typer.testing import CliRunner

from producers.cli import app
from producers.errors import CannotImportError, DamagedError, NotPublishedError, SourceAwayError
from producers.imports.cases import ROWS_A_FLUSH
from producers.imports.database.cursor import cursor_of
from producers.imports.database.poller import Polled, Poller, position_of
from producers.imports.database.query import Query, _fetched
from producers.imports.known import load
from tests.producers.imports.test_cases import Log, fail_second, settings_in
from tests.producers.imports.test_sources import COMPACT

COLUMNS = ", ".join(COMPACT)
QUERY = f"select {COLUMNS}, updated from cases -- the last line has a comment;"


class Office:
    """A department's database, and the program that reads it."""

    def __init__(self, folder: Path, log: Log | None = None, overlap: int = 0) -> None:
        self.folder, self.file, self.log = folder, folder / "office.sqlite", log or Log()
        self.overlap = overlap
        self.tell(f"create table if not exists cases ({COLUMNS}, updated)")

    @property
    def url(self) -> str:
        return f"sqlite:///{self.file}"

    def tell(self, command: str, *parameters: Any) -> None:
        with closing(sqlite3.connect(self.file)) as connection, connection:
            connection.execute(command, parameters)

    def add(self, case_no: str, updated: int | str | None, **cells: str) -> None:
        values = (COMPACT | {"SBLSH": case_no} | cells).values()
        self.tell(f"insert into cases values ({', '.join('?' * (len(COMPACT) + 1))})", *values, updated)

    @contextmanager
    def poller(self, **options: Any) -> Iterator[Poller]:
        settings, mapping, query = (
            settings_in(self.folder),
            load("compact-times"),
            Query(self.url, QUERY, "updated"),
        )
        with position_of(settings, mapping, query) as position:
            yield Poller(
                settings, mapping, query, position, overlap=self.overlap, connect=self.log, **options
            )

    def poll(self, **options: Any) -> Polled:
        """One poll of a program that was started for it."""
        with self.poller(**options) as poller:
            return poller.poll()

    def kept(self) -> list[str]:
        return [event.case_no for event, _ in self.log.kept]


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


def test_what_is_new_and_nothing_twice(office: Office) -> None:
    office.add("A", 1)
    office.add("B", 2)
    assert office.poll().report.published == 2
    assert office.poll().report.rows == 0
    office.add("C", 3)
    assert office.poll().report.published == 1
    assert office.kept() == ["A", "B", "C"]
    assert {source for _, source in office.log.kept} == {"/import/compact-times"}


def test_a_row_with_the_same_cursor_value_that_came_later_is_not_lost(office: Office) -> None:
    office.add("A", 7)
    office.poll()
    office.add("B", 7)
    assert office.poll().report.published == 1
    assert office.kept() == ["A", "B"]


def test_a_row_that_was_committed_late_is_found_within_the_overlap(tmp_path: Path) -> None:
    office = Office(tmp_path, overlap=5)
    office.add("A", 20)
    office.poll()
    office.add("late", 15)
    office.add("too late", 14)
    assert office.poll().report.published == 1
    assert office.kept() == ["A", "late"]
    office.overlap = 0
    office.add("B", 19)
    assert office.poll().report.rows == 0


def test_a_row_that_was_changed_is_a_new_event_of_the_same_case(office: Office) -> None:
    office.add("A", 1)
    office.poll()
    office.tell("update cases set SXMC = '更正', updated = 2")
    office.poll()
    (first, _), (second, _) = office.log.kept
    assert first.case_no == second.case_no
    assert first.event_id != second.event_id


def test_a_row_that_is_no_case_is_told_once_with_its_number(office: Office) -> None:
    office.add("A", 1)
    office.add("B", 1, BLFS="电话")
    report = office.poll().report
    assert (report.published, report.counts.unmapped) == (1, 1)
    assert report.errors is not None
    assert "BLFS" in report.errors.read_text(encoding="utf-8-sig").splitlines()[1]
    again = office.poll().report
    assert (again.rows, again.errors) == (0, None)
    assert report.errors.exists()


def test_a_row_that_is_no_case_is_told_also_when_the_log_goes_away_later(office: Office) -> None:
    office.add("bad", 1, BLFS="电话")
    for number in range(ROWS_A_FLUSH):
        office.add(f"A{number}", 2 + number)
    office.log.flush = fail_second(office.log.flush)  # type: ignore[method-assign]
    with pytest.raises(NotPublishedError):
        office.poll()
    (errors,) = (office.folder / "import").glob("*/*.errors.csv")
    assert [row["SBLSH"] for row in listed(errors)] == ["bad"]
    office.log = Log()
    office.add("worse", 999, BLFS="传真")
    assert office.poll().report.published == 1
    assert [row["SBLSH"] for row in listed(errors)] == ["bad", "worse"]
    assert stat.S_IMODE(errors.stat().st_mode) == 0o600


def listed(file: Path) -> list[dict[str, str]]:
    """A day's list; each poll that adds to it begins with a header."""
    lines = csv.reader(file.read_text(encoding="utf-8-sig").splitlines())
    head = next(lines)
    return [dict(zip(head, line, strict=True)) for line in lines if line != head]


def test_rows_without_a_place_in_the_order_are_told(office: Office) -> None:
    office.add("A", None)
    office.add("B", 1)
    polled = office.poll()
    assert (polled.report.published, polled.without_cursor) == (1, 1)
    assert polled.lines()[-1] == "1 rows of the query have no cursor value and are not read"


def test_strangers_under_one_number_are_kept_apart_in_this_poll_and_the_next(office: Office) -> None:
    for hour in range(1, 4):
        office.add("9", hour, SLSJ=f"202611020{hour}0000")
    assert office.poll().report.counts.shared == 3
    office.add("9", 4, SLSJ="20261102080000")
    assert office.poll().report.counts.shared == 1
    assert len(set(office.kept())) == 4
    assert "9" not in office.kept()


def stranger(office: Office, hour: int) -> None:
    office.add("9", hour, SLSJ=f"202611020{hour}0000")


def test_strangers_who_come_one_at_a_time_are_known_at_the_third(office: Office) -> None:
    for hour in range(1, 6):
        stranger(office, hour)
        assert office.poll().report.counts.shared == (hour >= 3)
    assert office.kept()[:2] == ["9", "9"], "one may be the correction of the other"
    assert len(set(office.kept())) == 4


def test_a_dry_run_does_not_remember_strangers(office: Office) -> None:
    stranger(office, 1)
    office.poll()
    for hour in (2, 3):
        stranger(office, hour)
    assert office.poll(dry_run=True).report.counts.shared == 2
    office.tell("delete from cases where updated = 3")
    assert office.poll().report.counts.shared == 0


def test_a_case_that_comes_again_and_again_is_no_stranger(office: Office) -> None:
    for turn in range(1, 6):
        office.add("9", turn, SLSJ=f"202611020{turn % 2}0000", BJZT="SL" if turn < 5 else "BJ")
        assert office.poll().report.counts.shared == 0
    assert set(office.kept()) == {"9"}


def test_an_error_while_strangers_are_looked_for_leaves_the_position_usable(office: Office) -> None:
    def told() -> Iterator[tuple[str, bytes, bytes]]:
        yield "9", b"service", b"1"
        raise SourceAwayError("gone")

    with office.poller() as poller:
        position = poller._position
        with pytest.raises(SourceAwayError):
            position.strangers(told(), 1, keep=True)
        assert position.strangers([("9", b"service", b"2")], 2, keep=True) == frozenset()


def test_a_dry_run_sends_and_moves_nothing(office: Office) -> None:
    office.add("A", 1)
    assert office.poll(dry_run=True).report.counts.mapped == 1
    assert office.log.kept == []
    assert office.poll().report.published == 1


def test_told_to_stop_it_ends_after_what_is_acknowledged(office: Office) -> None:
    for number in range(ROWS_A_FLUSH + 1):
        office.add(f"A{number}", number)
    stop = Event()
    stop.set()
    assert office.poll(stop=stop).report.published == ROWS_A_FLUSH
    assert office.poll().report.published == 1


def test_without_an_acknowledgement_the_position_stays(office: Office) -> None:
    office.add("A", 1)
    office.log = Log(0)
    with pytest.raises(NotPublishedError):
        office.poll()
    assert office.poll().report.published == 1


steps = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(0, 2), st.booleans()),
        st.tuples(st.just("touch"), st.integers(0, 9), st.booleans()),
        st.tuples(st.just("poll"), st.integers(0, 6), st.booleans()),
    ),
    max_size=16,
)


@hypothesis(max_examples=80, deadline=None)
@given(steps, st.integers(0, 3))
def test_whatever_comes_late_ties_or_fails_every_row_arrives_as_it_is_in_the_end(
    tmp_path_factory: pytest.TempPathFactory, history: list[tuple[str, int, bool]], overlap: int
) -> None:
    """Rows come and change with a cursor value up to `overlap` behind the greatest so far; polls fail in the middle."""
    office = Office(tmp_path_factory.mktemp("office"), overlap=overlap)
    rows: list[str] = []
    top = 10
    for place, (step, number, flag) in enumerate(history):
        if step == "add":
            top += number
            rows.append(f"A{place}")
            office.add(rows[-1], top - (overlap if flag else 0))
        elif step == "touch" and rows:
            top += flag
            old, rows[number % len(rows)] = rows[number % len(rows)], f"A{place}"
            office.tell("update cases set SBLSH = ?, updated = ? where SBLSH = ?", f"A{place}", top, old)
        elif step == "poll":
            office.log._left = [number] if flag else []
            with suppress(NotPublishedError):
                office.poll()
    office.log._left = []
    office.poll()
    assert set(rows) <= set(office.kept())
    assert office.poll().report.rows == 0


COLONS = (r"a%:ok", '{"k" :1}', r"\:k", ":since", "::k", "%s ? %(k)s")


@pytest.mark.parametrize("literal", COLONS)
def test_a_query_is_asked_as_it_stands(office: Office, literal: str) -> None:
    office.add("A", 1)
    office.add("B", None)
    query = f"select '{literal}' as said, updated from cases"
    with Query(office.url, query, "updated").snapshot() as snapshot:
        (row,) = snapshot.rows(None)
        (again,) = snapshot.rows(row.cursor)
        assert row.cells["said"] == again.cells["said"] == literal
        assert snapshot.without_cursor() == 1


def test_the_database_is_only_read(office: Office) -> None:
    with (
        pytest.raises(SourceAwayError, match="readonly"),
        Query(office.url, QUERY, "updated").snapshot() as snapshot,
    ):
        snapshot._connection.exec_driver_sql("delete from cases")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("nonsense", "ArgumentError"),
        ("nothing://me:secret@host/x", "NoSuchModuleError"),
        ("mysql+pymysql://me:secret@host/x", "ModuleNotFoundError"),
        ("sqlite:///absent.sqlite", "no such SQLite file"),
        ("sqlite://", "no such SQLite file"),
    ],
)
def test_a_url_that_leads_nowhere_is_told_without_its_secret(url: str, said: str) -> None:
    with pytest.raises(CannotImportError, match=said) as refused:
        Query(url, QUERY, "updated")
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("query", "cursor", "said"),
    [
        (f"select {COLUMNS} from cases", "updated", "database says: no such column: q.updated"),
        (f"select {COLUMNS}, updated from nowhere", "updated", "no such table"),
        (QUERY, "updated; drop table cases", "plain name of a column"),
        ("select SBLSH, updated from cases", "updated", "there is no column .*SXBM"),
        (f"select {COLUMNS}, updated + 0.5 as updated from cases", "updated", "of the type float"),
        (f"select {COLUMNS}, updated from cases where updated = :x", "updated", "number of bindings"),
    ],
)
def test_a_query_that_cannot_be_asked(office: Office, query: str, cursor: str, said: str) -> None:
    office.add("A", 1)
    settings, mapping = settings_in(office.folder), load("compact-times")
    with pytest.raises((CannotImportError, SourceAwayError), match=said):  # noqa: PT012  # each breaks elsewhere
        asked = Query(office.url, query, cursor)
        with position_of(settings, mapping, asked) as position:
            Poller(settings, mapping, asked, position, connect=office.log).poll()


def test_a_cursor_that_changes_its_kind_is_told(office: Office) -> None:
    office.add("A", 1)
    office.poll()
    office.tell("update cases set updated = 'x'")
    with pytest.raises(CannotImportError, match="was a number and is a text now"):
        office.poll()


FUTURE: list[int | str] = ["2099-01-01 00:00:00", 20990101000000]
NOW: list[int | str] = ["2026-11-02 09:30:00", 20261102093000]


@pytest.mark.parametrize("kind", [0, 1])
def test_a_cursor_value_in_the_future_hides_no_later_row_and_is_said(office: Office, kind: int) -> None:
    office.add("A", NOW[kind])
    office.add("wrong", FUTURE[kind])
    polled = office.poll()
    assert (polled.report.published, polled.ahead) == (2, 1)
    assert "1 rows have a cursor value in the future" in polled.lines()[-1]
    for number in range(1, 4):
        office.add(f"B{number}", NOW[kind])
        assert office.poll().report.published == 1
    assert office.kept() == ["A", "wrong", "B1", "B2", "B3"], "the row in the future is read once"
    office.tell("update cases set updated = ? where SBLSH = 'wrong'", NOW[kind])
    assert office.poll().report.published == 1


@pytest.mark.parametrize("kind", [0, 1])
def test_a_position_that_lies_in_the_future_already_is_left_and_that_is_said(
    office: Office, kind: int
) -> None:
    office.add("A", NOW[kind])
    with office.poller() as poller:
        poller._position.save([], cursor_of(FUTURE[kind]), 0)
    polled = office.poll()
    assert (polled.report.published, polled.anew) == (1, True)
    assert "the position was in the future" in polled.lines()[-1]
    assert (office.poll().report.rows, office.poll().anew) == (0, False)


def test_a_row_without_a_readable_cursor_is_refused_once_and_the_others_go_on(office: Office) -> None:
    office.add("A", 1)
    office.tell(f"insert into cases select {COLUMNS}, cast(x'fffe' as text) from cases")
    office.tell("update cases set updated = 'b' where SBLSH = 'A' and updated = 1")
    report = office.poll().report
    assert (report.published, report.counts.unmapped) == (1, 1)
    assert report.errors is not None
    assert "updated,内容无法识别" in report.errors.read_text(encoding="utf-8-sig")
    assert office.poll().report.rows == 0
    office.add("B", "c")
    assert office.poll().report.published == 1


def test_text_that_is_not_in_utf_8_refuses_the_row_if_the_column_is_read(office: Office) -> None:
    office.add("A", 1)
    office.add("B", 2)
    office.tell("update cases set SXMC = cast(x'c8cb' as text) where SBLSH = 'A'")
    report = office.poll().report
    assert (report.published, report.counts.unmapped) == (1, 1)
    assert report.errors is not None
    assert [row["列"] for row in listed(report.errors)] == ["SXMC"]
    assert office.kept() == ["B"]


def test_a_value_that_a_driver_cannot_read_is_a_sentence() -> None:
    def found() -> Iterator[Any]:
        yield (1,)
        raise ValueError("year 20000 is out of range")

    with pytest.raises(CannotImportError, match="let the query give the column as text"):
        list(_fetched(found()))


def test_a_mapping_that_counts_rows_is_not_for_polls(office: Office) -> None:
    settings, mapping, query = (
        settings_in(office.folder),
        load("municipal-permit"),
        Query(office.url, QUERY, "updated"),
    )
    with (
        position_of(settings, mapping, query) as position,
        pytest.raises(CannotImportError, match="numbers the services of a case by its rows"),
    ):
        Poller(settings, mapping, query, position)


def test_the_position_is_ours_alone_and_one_process_has_it(office: Office) -> None:
    office.add("A", 1)
    office.poll()
    (file,) = (office.folder / "import").glob("*/position.sqlite")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with office.poller(), pytest.raises(CannotImportError, match="already imports"), office.poller():
        pass
    file.write_bytes(b"nonsense" * 1000)
    with pytest.raises(DamagedError, match="everything is read again"):
        office.poll()


def test_the_command_polls_once(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    office.add("A", 1)
    monkeypatch.setenv("HCP_STACK__DATA_DIR", str(office.folder))
    monkeypatch.setenv("HCP_SOURCE_URL", office.url)
    (office.folder / "q.sql").write_text(QUERY, encoding="utf-8")
    words = ["import", "database", "--query-file", str(office.folder / "q.sql"), "--cursor", "updated"]
    result = CliRunner().invoke(app, [*words, "--source", "compact-times", "--dry-run"])
    assert result.exit_code == 0
    assert "1 rows, nothing published (--dry-run), 1 would be" in result.stdout
