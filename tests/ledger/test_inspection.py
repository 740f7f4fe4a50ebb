"""What fails inspection, by department, rule and day: the same records that the counters have counted."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from itertools import permutations
from typing import Any

import pytest
from sqlalchemy import Connection

from pipeline.ledger.engine import engine
from pipeline.ledger.inspection import Choice, cases, count_cases, failures, passed
from pipeline.ledger.rate import Rate
from pipeline.settings import Settings
from schemas.topics import Stream
from tests.consumers.filling import POLICE, TAX, bad_review, fill, inspected, police_case
from tests.ledger.test_fold import Ledger, portion_of

pytestmark = pytest.mark.system
DAY = date(2026, 6, 9)
SINCE = datetime(2026, 6, 8, 16, tzinfo=UTC)
EARLIER = "2026-06-08T09:00:00+08:00"
WHOLE = {"accepted_at": "2026-06-01T09:00:00+08:00"}


@pytest.fixture
def connection(ledger: Settings) -> Iterator[Connection]:
    pool = engine(ledger.database, "test")
    with pool.connect() as made:
        yield made
    pool.dispose()


def test_fractions_and_failures_are_of_the_same_records(ledger: Settings, connection: Connection) -> None:
    fill(ledger, *inspected(), bad_review("not here yet"))
    assert passed(connection, DAY) == {POLICE.code: Rate(9, 12), TAX.code: Rate(0, 1)}
    assert failures(connection, SINCE) == {
        (POLICE.code, "name_missing"): 2,
        (POLICE.code, "accepted_after_served"): 1,
        (TAX.code, "name_missing"): 1,
        (TAX.code, "staff_missing"): 1,
    }
    assert failures(connection) == failures(connection, SINCE)


def test_a_range_begins_at_its_first_day(ledger: Settings, connection: Connection) -> None:
    fill(ledger, police_case("C-1", **WHOLE, item_name="", served_at=EARLIER), police_case("C-2", **WHOLE))
    assert passed(connection, DAY) == {POLICE.code: Rate(1, 1)}
    assert failures(connection, SINCE) == {}
    assert count_cases(connection, Choice(SINCE)) == 0
    assert failures(connection) == {(POLICE.code, "name_missing"): 1}


def test_a_version_that_was_replaced_still_counts_where_its_service_stands(
    ledger: Settings, connection: Connection
) -> None:
    wrong = police_case(
        "C-1", **WHOLE, item_name="", served_at=EARLIER, received_at="2026-06-09T10:00:00+08:00"
    )
    fill(ledger, wrong, police_case("C-1", **WHOLE, received_at="2026-06-09T11:00:00+08:00"))
    assert passed(connection, DAY) == {POLICE.code: Rate(1, 2)}
    assert failures(connection, SINCE) == {(POLICE.code, "name_missing"): 1}
    (row,) = cases(connection, Choice(SINCE), 0, 10)
    assert (row.case_no, row.item_name, row.rules) == ("C-1", "居民身份证换领", ["name_missing"])


def test_cases_by_department_and_rule(ledger: Settings, connection: Connection) -> None:
    fill(ledger, *inspected())

    def chosen(dept_code: str = "", rule: str = "") -> set[str]:
        choice = Choice(SINCE, dept_code, rule)
        rows = cases(connection, choice, 0, 50)
        assert count_cases(connection, choice) == len(rows)
        return {row.case_no for row in rows}

    assert chosen() == {"N-0", "N-1", "T-1", "X-1"}
    assert chosen(POLICE.code) == {"N-0", "N-1", "T-1"}
    assert chosen(rule="name_missing") == {"N-0", "N-1", "X-1"}
    assert chosen(POLICE.code, "name_missing") == {"N-0", "N-1"}
    assert chosen("nobody") == set()
    (row,) = cases(connection, Choice(SINCE, TAX.code, "name_missing"), 0, 50)
    assert row.rules == ["name_missing", "staff_missing"], "all that it fails, whatever was chosen"


def versions() -> list[dict[str, Any]]:
    """Of one service: promised for the day before, then told of twice in a file, then right."""
    late = police_case(
        "C-1", **WHOLE, promised_at="2026-06-08T09:00:00+08:00", received_at="2026-06-09T10:00:00+08:00"
    )
    kept = {"promised_at": "2026-06-30T09:00:00+08:00"}
    return [
        late,
        police_case(
            "C-1", **WHOLE, **kept, failed_rules=["repeated_in_file"], received_at="2026-06-09T11:00:00+08:00"
        ),
        police_case("C-1", **WHOLE, **kept, received_at="2026-06-09T12:00:00+08:00"),
    ]


def test_what_a_sender_tells_is_judged_and_counts(ledger: Settings, connection: Connection) -> None:
    fill(ledger, *versions())
    assert passed(connection, DAY) == {POLICE.code: Rate(1, 3)}
    assert failures(connection) == {
        (POLICE.code, "promise_broken"): 1,
        (POLICE.code, "repeated_in_file"): 1,
    }


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
def test_a_version_is_the_same_row_whether_it_was_ever_the_current_one_or_not(
    ledger: Settings, order: tuple[int, ...]
) -> None:
    events = versions()
    rows = []
    for batches in ([events], [[events[n]] for n in order]):
        book = Ledger(ledger)
        book.clear()
        for offset, batch in enumerate(batches):
            book.fold(portion_of(Stream.CASE, offset, *batch))
        rows.append(
            (
                book.ask("select event_id, flags, event from case_version order by event_id"),
                book.ask("select event_id, flags from service"),
            )
        )
        book.connection.close()
        book.pool.dispose()
    assert rows[0] == rows[1]
