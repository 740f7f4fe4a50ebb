"""A foreign PostgreSQL, polled by a process that is killed: every row reaches the ledger, once."""

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import psycopg2
import pytest
from psycopg2.extensions import connection as Connection

from pipeline.settings import environment
from producers.errors import CannotImportError
from producers.imports.database.poller import Polled, Poller, position_of
from producers.imports.database.query import Query
from producers.imports.known import load
from tests.harness import System
from tests.producers.imports.test_database import COLONS
from tests.producers.imports.test_sources import PROVINCE
from tests.wait import wait_for

pytestmark = pytest.mark.system

ROWS = 1_700
COLUMNS = ", ".join(f'"{name}"' for name in PROVINCE)
QUERY = f"select {COLUMNS}, updated_at from town.cases"
SHAPE = ", ".join(f'"{name}" text' for name in PROVINCE)
INSERT = (
    f"insert into town.cases values ({', '.join(['%s'] * len(PROVINCE))}, now() - %s * interval '1 second')"
)
RUN = """
import os, signal
from pathlib import Path
from pipeline.settings import load
from producers.imports.database.poller import Poller, position_of
from producers.imports.database.query import Query
from producers.imports.known import load as mapping
from pipeline.edge import Edge
from producers.publish import Publisher

class Mortal(Publisher):
    '''Sends when it is asked whether all is safe, and dies the n-th time it is asked.'''
    asked = 0

    def __init__(self, settings):
        super().__init__(settings.kafka, Edge(settings.seal))
        self.waiting = []

    def send(self, event, source):
        self.waiting.append((event, source))

    def flush(self):
        Mortal.asked += 1
        if Mortal.asked == int(os.environ["DIE_AT"]):
            os.kill(os.getpid(), signal.SIGKILL)
        for event, source in self.waiting:
            super().send(event, source)
        self.waiting = []
        super().flush()

settings, rows = load(), mapping("province-cases")
query = Query(os.environ["TOWN"], os.environ["QUERY"], "updated_at")
with position_of(settings, rows, query) as position:
    print(Poller(settings, rows, query, position, connect=Mortal).poll().report.published)
"""
TWIN = """
from producers.imports.database.poller import Poller

def settle(self, sink, batch, listed, now):
    if batch:
        upto = batch[-1].cursor
        self._position.save(((row.key, row.cursor) for row in batch), upto, 0)
        sink.flush()
        batch.clear()

Poller._settle = settle
"""


@pytest.fixture
def town(system: System) -> Iterator[Connection]:
    """A town's own database, with a table of cases."""
    system.settings.stack.data_dir = system.folder
    connection = psycopg2.connect(system.settings.database.url.get_secret_value())
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(f"create schema town; create table town.cases ({SHAPE}, updated_at timestamptz)")
    yield connection
    connection.close()


def add(town: Connection, first: int, rows: int, ago: float = 0, **cells: str) -> None:
    """Cases, all of one moment: the cursor has nothing to tell them apart by."""
    with town.cursor() as cursor:
        for number in range(first, first + rows):
            values = (PROVINCE | {"projectNo": f"T{number}"} | cells).values()
            cursor.execute(INSERT, (*values, ago))


def surroundings(system: System) -> dict[str, str]:
    env = {name: value for name, value in os.environ.items() if not name.startswith("HCP_")}
    town = {"TOWN": system.settings.database.url.get_secret_value(), "QUERY": QUERY}
    return env | environment(system.settings) | town | {"HCP_SOURCE_URL": town["TOWN"]}


def poll(system: System, die_at: int, code: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code) + RUN],
        env=surroundings(system) | {"DIE_AT": str(die_at)},
        cwd=system.folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def services(system: System) -> int:
    return int(system.one("select count(*) from service"))


@pytest.mark.parametrize("die_at", [1, 3])
def test_a_kill_in_the_middle_loses_no_row(system: System, town: Connection, die_at: int) -> None:
    town.autocommit = False
    add(town, 0, ROWS)  # in one transaction: all have one cursor value
    add(town, 9_000, 1, ago=60, serviceMode="9")
    town.commit()
    assert poll(system, die_at).returncode == -signal.SIGKILL
    second = poll(system, 99)
    assert second.returncode == 0, second.stderr
    assert poll(system, 99).stdout.strip() == "0"
    (errors,) = (system.folder / ".hcp" / "import").glob("*/*.errors.csv")
    assert "T9000" in errors.read_text(encoding="utf-8-sig")
    with system.worker():
        system.wait_until_caught_up()
    assert system.fates() == {"stored": ROWS}
    assert services(system) == ROWS


def test_a_twin_that_saves_its_position_first_loses_rows(system: System, town: Connection) -> None:
    add(town, 0, ROWS)
    assert poll(system, 2, TWIN).returncode == -signal.SIGKILL
    assert poll(system, 99, TWIN).returncode == 0
    with system.worker():
        system.wait_until_caught_up()
    assert services(system) == ROWS - 500


def test_the_command_follows_a_living_database_through_kills(system: System, town: Connection) -> None:
    query = system.folder / "query.sql"
    query.write_text(QUERY + ";\n", encoding="utf-8")
    url = system.settings.database.url.get_secret_value()
    slow = psycopg2.connect(url)  # a transaction that began before others and commits after them
    add(slow, 9_000, 5)
    with system.worker():
        for seen in (0, 100, 200):
            with follow(system, query):
                add(town, seen, 100)
                wait_for(partial(more_services, system, seen), 60, "the first rows of this round")
        slow.commit()
        with follow(system, query) as process:
            wait_for(partial(more_services, system, 304), 60, "every row, those of the slow transaction too")
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
        system.wait_until_caught_up()
    slow.close()
    assert services(system) == system.fates()["stored"] == 305
    assert "T9000" not in (system.folder / "import.log").read_text(encoding="utf-8")


def more_services(system: System, than: int) -> bool:
    return services(system) > than


@contextmanager
def follow(system: System, query: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The command, until it is killed."""
    words = ["import", "database", "--query-file", str(query), "--cursor", "updated_at"]
    with (system.folder / "import.log").open("ab") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "deploy", *words, "--source", "province-cases", "--every", "0.2"],
            env=surroundings(system),
            cwd=system.folder,
            stdout=out,
            stderr=out,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait(20)


def test_the_transaction_is_read_only_and_what_is_wrong_is_told(system: System, town: Connection) -> None:
    url = system.settings.database.url.get_secret_value()
    with town.cursor() as cursor:
        cursor.execute("create sequence town.counter")
    add(town, 0, 1)
    said = {
        "select nextval('town.counter') as updated_at": "cannot be read",
        "select 1 as updated_at, 2 as twice, 3 as twice": "more than one column twice",
        "select 1 as updated_at from town.nowhere": 'relation "town.nowhere" does not exist',
    }
    for query, words in said.items():
        with (
            pytest.raises(CannotImportError, match=words),
            Query(url, query, "updated_at").snapshot() as snapshot,
        ):
            list(snapshot.rows(None))
    with Query(url, QUERY, "updated_at").snapshot() as snapshot:
        (row,) = snapshot.rows(None)
        assert row.cells["updated_at"]
        assert [again.key for again in snapshot.rows(row.cursor)] == [row.key]


@pytest.mark.parametrize("literal", COLONS)
def test_a_query_is_asked_as_it_stands(system: System, town: Connection, literal: str) -> None:
    add(town, 0, 1)
    url, query = (
        system.settings.database.url.get_secret_value(),
        f"select '{literal}'::text as said, '7'::varchar::int as seven, updated_at::timestamptz from town.cases",
    )
    with Query(url, query, "updated_at").snapshot() as snapshot:
        (row,) = snapshot.rows(None)
        (again,) = snapshot.rows(row.cursor)
        assert (row.cells["said"], row.cells["seven"]) == (literal, "7")
        assert again.key == row.key
        assert snapshot.without_cursor() == 0


YEARS = ["'20000-01-01'", "'infinity'", "'-infinity'", "'0044-03-15 BC'"]


def test_times_that_python_cannot_hold_end_no_poll(system: System, town: Connection) -> None:
    """In the cursor column and in another one; each row is told once, and what comes later is read."""
    add(town, 0, 1, ago=60)
    with town.cursor() as cursor:
        for number, year in enumerate(YEARS):
            add(town, 10 + number, 1)
            cursor.execute(
                f"update town.cases set updated_at = {year} where \"projectNo\" = 'T{10 + number}'"
            )
        columns = ", ".join(
            f'"{name}"' if name != "serviceTime" else 'at as "serviceTime"' for name in PROVINCE
        )
        cursor.execute(
            "alter table town.cases add at timestamp default '2026-11-02 09:30', add span interval[]"
        )
        add_at = 'insert into town.cases ("projectNo", updated_at, at, span) values (%s, now(), %s::timestamp, %s::interval[])'
        for number, year in enumerate(YEARS):
            cursor.execute(add_at, (f"T{20 + number}", year.strip("'"), "{2000000000 days}"))
    query = f"select {columns}, span, updated_at from town.cases"
    first = polled(system, query)
    assert (first.report.rows, first.report.counts.unmapped) == (9, 8)
    assert first.ahead == 0
    assert first.report.errors is not None
    told = first.report.errors.read_text(encoding="utf-8-sig")
    assert told.count("内容无法识别") == 8
    assert polled(system, query).report.rows == 0
    add(town, 30, 1)
    assert polled(system, query).report.rows == 1


def test_a_cursor_value_in_the_future_hides_no_later_row(system: System, town: Connection) -> None:
    add(town, 0, 1, ago=60)
    add(town, 1, 1, ago=-1_000_000_000)
    assert (polled(system, QUERY).report.published, polled(system, QUERY).report.rows) == (2, 0)
    add(town, 2, 1)
    later = polled(system, QUERY)
    assert (later.report.published, later.ahead) == (1, 0)


def polled(system: System, query: str) -> Polled:
    rows = load("province-cases")
    asked = Query(system.settings.database.url.get_secret_value(), query, "updated_at")
    with position_of(system.settings, rows, asked) as position:
        return Poller(system.settings, rows, asked, position).poll()
