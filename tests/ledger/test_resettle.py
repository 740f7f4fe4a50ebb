"""A ledger that was folded when the greatest version held becomes the one that today's rules make of the same records."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.ledger import reroute
from pipeline.ledger.migrate import downgrade, upgrade
from pipeline.ledger.resettle import resettle
from pipeline.rules import crowd
from pipeline.rules import settle as settling
from pipeline.rules.fold import Arrival
from pipeline.settings import Settings
from schemas.events import DecisionEvent
from schemas.topics import Stream
from tests.harness import DEPT, case, now, review
from tests.ledger.test_crowds import agree
from tests.ledger.test_fold import PARTITIONS, Ledger, book, portion_of  # noqa: F401  `book` is a fixture
from tests.model import modelled
from tests.rules.test_ownership import greatest_holds
from tests.strategies import crowding, histories

pytestmark = pytest.mark.system
OTHER = "610326"


def fold_as_before(book: Ledger, batch: list[Arrival], partition: int) -> None:  # noqa: F811
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(settling, "ownership", greatest_holds)
        book.fold_arrivals(batch, partition)


def note(book: Ledger) -> None:  # noqa: F811
    """As the migration does."""
    book.ask("update service set crowd = null where crowd is not null returning 1")
    book.ask(
        "insert into resettle (case_no, service_no) select case_no, service_no from service where disputed returning 1"
    )


@pytest.mark.parametrize("whole", [2, crowd.WHOLE])
@given(history=st.one_of(histories, crowding()), data=st.data())
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_ledger_from_before_agrees_with_the_model(
    book: Ledger,  # noqa: F811
    whole: int,
    history: list[Arrival],
    data: st.DataObject,
) -> None:
    """Also one that is folded into before everything is settled anew."""
    book.clear()
    a, b = sorted(data.draw(st.tuples(*[st.integers(0, len(history))] * 2)))
    partitions = data.draw(st.lists(st.sampled_from(PARTITIONS), min_size=3, max_size=3))
    before = [one for one in history[:a] if not isinstance(one.entry.event, DecisionEvent)]
    later = [one for one in history if one not in before]
    b = max(0, b - len(before))
    fold_as_before(book, before, partitions[0])
    note(book)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(crowd, "WHOLE", whole)
        for (start, end), partition in zip(pairwise((0, b, len(later))), partitions[1:], strict=True):
            book.fold_arrivals(later[start:end], partition)
            if partition:
                resettle(book.pool, book.folder)
        while resettle(book.pool, book.folder):
            pass
        reroute.finish(book.pool, book.folder)
        assert book.ask("select * from resettle") == []
        assert book.wrong_rows() == []
        book.ask("insert into resettle select case_no, service_no from service returning 1")
        resettle(
            book.pool, book.folder
        )  # what is right stays; and crowds that no record has touched are counted
        agree(book, modelled(history))


def test_the_migration_notes_what_is_disputed_and_nothing_else(
    book: Ledger,  # noqa: F811
    ledger: Settings,
) -> None:
    mine, theirs = (
        case("A", received_at=now(minutes=9)),
        case("A", received_at=now(minutes=8), dept_code=OTHER),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(settling, "ownership", greatest_holds)
        plain: list[dict[str, Any]] = [case("B"), case("C"), case("C")]
        book.fold(portion_of(Stream.CASE, 0, mine, *plain))
        book.fold(
            portion_of(Stream.CASE, 4, theirs, sender="/b"), portion_of(Stream.REVIEW, 0, review("A", 1))
        )
    assert book.ask("select dept_code from ticket") == [(OTHER,)]
    book.connection.close()
    book.pool.dispose()
    downgrade(ledger.database, "0015")
    upgrade(ledger.database)
    after = Ledger(ledger)
    assert after.ask("select case_no, service_no from resettle") == [("A", 1)]
    kept = after.ask("select * from service where case_no <> 'A' order by case_no")
    assert resettle(after.pool, after.folder) == 1
    assert after.ask("select dept_code from ticket") == [(DEPT,)]
    assert after.ask("select * from service where case_no <> 'A' order by case_no") == kept
    assert after.wrong_rows() == []
