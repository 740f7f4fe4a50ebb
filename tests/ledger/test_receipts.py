"""A review is found by its event's id alone, however many there are."""

import hashlib
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, text

from pipeline.ledger.engine import engine
from pipeline.ledger.receipts import received_at
from pipeline.settings import Settings
from schemas.identifiers import uuid7
from tests.consumers.filling import POLICE, fill, police_case
from tests.harness import review

pytestmark = pytest.mark.system
AT = datetime(2026, 6, 9, 2, tzinfo=UTC)
EARLY = AT - timedelta(days=3)
OURS, FOREIGN = str(uuid7(1_780_970_400_000)), "szjy-2026-0001"
MANY = 50_000
FILL = text("""
    insert into review (case_no, service_no, review_no, event_id, digest, effective, satisfaction, channel, reason_codes,
        comment, submitted_at, received_at, real_name, topic, partition, "offset")
    select 'C' || n, 1, 1, case when n % 100 = 0 then md5(n::text) else '019a-' || to_char(n, 'FM000000') end, gen_random_uuid(), true, 5, 'qr', '{}', repeat('x', 200), now(), now(), false, 't', 0, n
    from generate_series(1, :many) n""")


def given(case_no: str | None, event_id: str, at: datetime, **more: Any) -> dict[str, Any]:
    """A review received when it was given."""
    said = at.isoformat()
    return review(case_no, event_id=event_id, submitted_at=said, received_at=said, **more)


@pytest.fixture
def connection(ledger: Settings) -> Iterator[Connection]:
    """To a ledger with reviews of a case, of no case, and of a foreign sender who used an id twice."""
    fill(
        ledger,
        police_case("C-1"),
        given("C-1", OURS, AT),
        given("C-2", FOREIGN, AT),
        given(None, FOREIGN, EARLY, dept_code=POLICE.code),
    )
    pool = engine(ledger.database, "test")
    with pool.connect() as made:
        yield made.execution_options(isolation_level="AUTOCOMMIT")
    pool.dispose()


def test_a_review_is_found_by_its_id_whosever_it_is(connection: Connection) -> None:
    assert received_at(connection, OURS) == AT
    assert received_at(connection, FOREIGN) == EARLY, "the first of all that have this id"
    assert received_at(connection, str(uuid.uuid4())) is None


@pytest.mark.parametrize("event_id", ["019a-004711", hashlib.md5(b"4700", usedforsecurity=False).hexdigest()])
def test_it_is_not_looked_for_in_all_reviews(connection: Connection, event_id: str) -> None:
    """Neither an id in the order of time, nor one of a hundred in no order."""
    connection.execute(FILL, {"many": MANY})
    connection.execute(text("vacuum analyze review"))
    asked = text("explain (analyze, format json) select min(received_at) from review where event_id = :id")
    plan = connection.scalar(asked, {"id": event_id})
    scan = plan[0]["Plan"]["Plans"][0]
    assert scan["Plans"][0]["Index Name"] == "review_event"
    assert scan["Actual Rows"] == 1
    assert scan["Rows Removed by Index Recheck"] < MANY / 10
