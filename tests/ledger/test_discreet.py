"""Errors of the database that reach a log, a heartbeat or a person hold no values of rows; the server's own log neither."""

import ast
import io
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from deploy.failures import sentence
from pipeline.ledger.engine import engine, transaction
from pipeline.ledger.server_log import UNSEEN, revealing
from pipeline.settings import Settings

PACKAGES = ("schemas", "pipeline", "producers", "consumers", "deploy")
PHONE, NAME = "13957924680", "欧阳不见"


def called(name: str) -> Iterator[tuple[Path, ast.Call]]:
    """Every call of this function in the product."""
    for file in (found for package in PACKAGES for found in Path(package).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == name:
                yield file, node


def test_every_engine_hides_parameters() -> None:
    calls = list(called("create_engine"))
    assert len(calls) >= 2
    for file, call in calls:
        hidden = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
        assert hidden.get("hide_parameters") == "True", file


def test_a_connection_past_the_engine_asks_nothing() -> None:
    """It only looks whether the server answers."""
    made = [
        ast.unparse(call) for _, call in called("connect") if ast.unparse(call.func) == "psycopg2.connect"
    ]
    closed = [ast.unparse(call.func) for _, call in called("close")]
    assert made
    assert all(f"{connect}.close" in closed for connect in made)


@pytest.fixture
def pool(ledger: Settings) -> Iterator[Engine]:
    pool = engine(ledger.database, "test", lock_timeout="1s")
    with pool.begin() as connection:
        connection.execute(
            text("create table person (phone text primary key, age int not null check (age > 0), at date)")
        )
        connection.execute(text("insert into person values (:phone, 1)"), {"phone": PHONE})
    yield pool
    pool.dispose()


def by_sqlalchemy(statement: str) -> Callable[[Engine], Any]:
    def run(pool: Engine) -> None:
        with pool.begin() as connection:
            connection.execute(text(statement), {"phone": PHONE, "name": NAME})

    return run


def by_cursor(statement: str) -> Callable[[Engine], Any]:
    def run(pool: Engine) -> None:
        with transaction(pool) as cursor:
            cursor.execute(statement, {"phone": PHONE, "name": NAME})

    return run


def by_copy(pool: Engine) -> None:
    with transaction(pool) as cursor:
        cursor.copy_expert("copy person from stdin", io.StringIO(f"x\t{PHONE}{PHONE}\t{NAME}\n"))


def by_many(pool: Engine) -> None:
    with transaction(pool) as cursor:
        cursor.executemany("insert into person values (%s, 1)", [("y",), (PHONE,)])


def by_server_cursor(pool: Engine) -> None:
    with pool.connect() as connection:
        rows = connection.execution_options(stream_results=True).execute(
            text("select (n || :phone)::date from generate_series(1, 9) n"), {"phone": PHONE}
        )
        list(rows)


WAYS = [
    by_sqlalchemy("insert into person values (:phone, 1)"),
    by_sqlalchemy("insert into person values (:name, null)"),
    by_sqlalchemy("insert into person values (:name || :phone, -1)"),
    by_sqlalchemy("insert into person values ('x', cast(:phone || :name as int))"),
    by_sqlalchemy("select cast(:name as date), :phone"),
    by_sqlalchemy("select cast('{' || :phone as json)"),
    by_sqlalchemy("select no_such_column, :phone, :name"),
    by_cursor("insert into person values (%(phone)s, 1)"),
    by_cursor("insert into person values (%(phone)s, %(name)s)"),
    by_copy,
    by_many,
    by_server_cursor,
]


@pytest.mark.system
@pytest.mark.parametrize("way", WAYS)
def test_no_error_tells_a_value(pool: Engine, servers: Path, way: Callable[[Engine], Any]) -> None:
    with pytest.raises((DBAPIError, psycopg2.Error)) as caught:
        way(pool)
    cause = getattr(caught.value, "orig", caught.value)
    assert isinstance(cause, psycopg2.Error)
    assert cause.pgcode
    told = (
        "".join(traceback.format_exception(caught.value))
        + repr(caught.value)
        + (sentence(caught.value) or "")
    )
    log = (servers / "postgres" / "postgres.log").read_text(encoding="utf-8", errors="replace")
    for canary in (PHONE, NAME):
        assert canary not in told
        assert canary not in log
    assert "person" in told or cause.pgcode[:2] in {"22", "42"}, "what is wrong is still said"


@pytest.mark.system
def test_the_embedded_server_logs_no_values_and_another_is_told_of(
    ledger: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert revealing(ledger.database) == {}
    monkeypatch.setitem(UNSEEN, "log_statement", "ddl")
    assert revealing(ledger.database) == {"log_statement": "ddl"}
