"""One number, many strangers: found with sender and count, without a look at every service."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, text

from pipeline.ledger.engine import engine
from pipeline.ledger.shared_numbers import SharedNumber, count_shared, shared_numbers
from pipeline.settings import Settings
from tests.consumers.filling import TAX, fill, police_case
from tests.harness import review

pytestmark = pytest.mark.system


def crowd(number: str, size: int, **fields: Any) -> list[dict[str, Any]]:
    return [review(number, 5, **fields) for _ in range(size)]


@pytest.fixture
def connection(ledger: Settings) -> Iterator[Connection]:
    """A number of two devices and a department, one of a system's cases, one a review short of many."""
    fill(
        ledger,
        *crowd("000000", 20, device_id="w1"),
        *crowd("000000", 4, dept_code=TAX.code),
        *crowd("000000", 1, device_id="w2"),
        *(police_case("1", source="hr", item_name=f"第{n}件") for n in range(20)),
        *crowd("few", 18, device_id="w3"),
        police_case("few"),
    )
    pool = engine(ledger.database, "test")
    with pool.connect() as made:
        yield made
    pool.dispose()


def test_they_are_named_the_greatest_first(connection: Connection) -> None:
    assert shared_numbers(connection) == [
        SharedNumber("000000", 1, 25, 0, ("w1", TAX.name, "w2")),
        SharedNumber("1", 1, 0, 20, ("hr",)),
    ]
    assert count_shared(connection) == 2
    assert [one.case_no for one in shared_numbers(connection, 1)] == ["000000"]


def test_five_senders_at_most(ledger: Settings) -> None:
    fill(ledger, *(review("000000", 5, device_id=f"w{n % 7}") for n in range(21)))
    pool = engine(ledger.database, "test")
    with pool.connect() as connection:
        (one,) = shared_numbers(connection)
    pool.dispose()
    assert one.senders == ("w0", "w1", "w2", "w3", "w4")


def test_no_other_service_is_looked_at(connection: Connection) -> None:
    connection.execute(
        text(
            "insert into service (case_no, service_no, placeholder, versions, reviews, disputed) "
            "select 'C' || n, 1, true, 0, 1, false from generate_series(1, 20000) n"
        )
    )
    connection.execute(text("analyze service"))
    plan = "\n".join(
        connection.scalars(text("explain select count(*) from service where reviews + versions >= 20"))
    )
    assert "service_shared" in plan
    assert connection.scalar(text("select pg_relation_size('service_shared')")) < 64 * 1024
