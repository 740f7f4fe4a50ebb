"""What the holder of a receipt is told: from the ledger, at every step of a ticket; from the spool, before that."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert, select

from pipeline.ledger.engine import engine
from pipeline.ledger.office_tables import ticket_step
from pipeline.ledger.tables import ticket
from pipeline.settings import Settings
from producers.gateway.ledger import Ledger
from producers.qr.following import STATES, UNKNOWN, Following, Progress
from producers.spool.spool import Spool
from schemas.tickets import CLOSED, State
from tests.consumers.filling import TAX, bad_review, fill, police_case
from tests.harness import review

pytestmark = pytest.mark.system
BAD, GOOD, OF_A_CASE, GOOD_OF_A_CASE = (f"019a0000-0000-7000-8000-00000000000{n}" for n in range(4))
AT = "2026-06-09T10:00:00+08:00"


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    with Spool(tmp_path / "spool", max_bytes=2**24, keep_sent=timedelta(days=1)) as made:
        yield made


@pytest.fixture
def following(ledger: Settings, spool: Spool) -> Iterator[Following]:
    fill(
        ledger,
        police_case("C-1"),
        bad_review("C-1", event_id=OF_A_CASE),
        bad_review(None, event_id=BAD, dept_code=TAX.code),
        review(None, 5, event_id=GOOD, submitted_at=AT, received_at=AT),
        review("C-2", 5, event_id=GOOD_OF_A_CASE, submitted_at=AT, received_at=AT),
    )
    asked = Ledger(ledger.database)
    yield Following(ledger.rules.zone, spool, asked)
    asked.stop()


def progress(following: Following, event_id: str) -> Progress:
    return asyncio.run(following.progress(event_id))


def step(settings: Settings, state: State, number: int) -> None:
    """An officer moves the ticket of BAD on."""
    pool = engine(settings.database, "test")
    with pool.begin() as connection:
        ticket_id = connection.execute(
            select(ticket.c.ticket_id).where(ticket.c.event_id == BAD)
        ).scalar_one()
        values = {
            "ticket_id": ticket_id,
            "step_no": number,
            "step": "moved",
            "state": state,
            "dept_code": TAX.code,
        }
        connection.execute(insert(ticket_step).values(**values, actor_role="test", note=f"internal {state}"))
    pool.dispose()


def test_every_state_of_a_ticket_is_told(ledger: Settings, following: Following) -> None:
    assert set(STATES) == set(State)
    for number, state in enumerate(State, start=1):
        if state is not State.NEW:
            step(ledger, state, number)
        told = progress(following, BAD)
        assert (told.title, told.words) == STATES[state]
        facts = dict(told.facts)
        assert facts["承办部门"] == TAX.name
        assert facts["收到时间"] == "2026年6月9日 10:00"
        assert ("整改期限" in facts) == (state not in CLOSED)
        assert "internal" not in str(told)


@pytest.mark.parametrize("event_id", [GOOD, GOOD_OF_A_CASE], ids=["place", "case"])
def test_a_good_review_was_received_however_long_ago(following: Following, event_id: str) -> None:
    """The spool has forgotten it: the ledger has not."""
    told = progress(following, event_id)
    assert told.title == "您的评价已收到"
    assert dict(told.facts) == {"收到时间": "2026年6月9日 10:00"}


def test_a_case_s_ticket_is_found(following: Following) -> None:
    assert progress(following, OF_A_CASE).title == STATES[State.NEW][0]


def test_what_nobody_knows(following: Following) -> None:
    assert progress(following, "019a0000-0000-7000-8000-000000000009") == UNKNOWN
