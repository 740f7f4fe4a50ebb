"""Whose a service is, decided by a person: the last decision holds, and nobody but a person of ours makes one."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.ledger import case_versions
from pipeline.ledger.decode import decode
from pipeline.rules.ownership import Owner
from pipeline.settings import Settings, environment
from schemas.topics import Stream
from tests.harness import DEPT, case, decision, review
from tests.ledger.test_fold import NOW_MS, Ledger, book, portion_of  # noqa: F401  `book` is a fixture

pytestmark = pytest.mark.system
OTHER, THIRD = "11610326000000002B", "11610326000000003C"


def ago(minutes: float) -> str:
    """Before the log takes what these tests fold; they may run long after they were imported."""
    return (datetime.fromtimestamp(NOW_MS / 1000, UTC) - timedelta(minutes=minutes)).isoformat()


def decided(dept_code: str = OTHER, **more: Any) -> dict[str, Any]:
    return decision("X", dept_code, event_id=f"d{dept_code}", **{"received_at": ago(1)} | more)


def disputed(book: Ledger, versions: int = 1) -> None:  # noqa: F811
    """A bad review of a service that was one department's first, and then another's."""
    for n in range(versions):
        first = case("X", event_id=f"a{n}", received_at=ago(60 - n))
        book.fold(portion_of(Stream.CASE, 2 * n, first, sender="/system/a"))
        then = case("X", event_id=f"b{n}", dept_code=OTHER, received_at=ago(30 - n))
        book.fold(portion_of(Stream.CASE, 2 * n + 1, then, sender="/system/b"))
    book.fold(portion_of(Stream.REVIEW, 0, review("X", 1, event_id="r")))


def standing(book: Ledger) -> tuple[Any, ...]:  # noqa: F811
    (row,) = book.ask(
        "select s.event_id, s.disputed, t.dept_code from service s join ticket t using (case_no)"
    )
    return row


@pytest.mark.parametrize("versions", [1, 9])
@pytest.mark.usefixtures("whole")
def test_the_department_that_was_decided_for_owns_the_service(book: Ledger, versions: int) -> None:  # noqa: F811
    disputed(book, versions)
    last = f"{versions - 1}"
    assert standing(book) == (f"a{last}", True, DEPT)
    book.fold(portion_of(Stream.DECISION, 0, decided()))
    assert standing(book) == (f"b{last}", False, OTHER)
    told = [json.loads(bytes(value)) for (value,) in book.ask("select value from outbox order by id")]
    assert [(one["step"], one["dept_code"]) for one in told] == [("opened", DEPT), ("rerouted", OTHER)]
    with book.pool.connect() as connection:
        assert case_versions.owner_of(connection, "X", 1) == Owner(OTHER, "/system/b")
    assert book.wrong_rows() == []
    book.fold(portion_of(Stream.DECISION, 1, decided(dept_code=DEPT, received_at=ago(0))))
    assert standing(book) == (f"a{last}", False, DEPT), "the last one holds"
    assert book.wrong_rows() == []


@pytest.mark.usefixtures("whole")
def test_what_others_say_after_it_changes_nothing(book: Ledger) -> None:  # noqa: F811
    """Nor does what the same system says in the name of another department."""
    disputed(book, 9)
    book.fold(portion_of(Stream.DECISION, 0, decided()))
    other = [case("X", event_id=f"c{n}", dept_code=THIRD, received_at=ago(70)) for n in range(9)]
    book.fold(portion_of(Stream.CASE, 18, *other, sender="/system/b"))
    assert standing(book) == ("b8", False, OTHER)
    fix = case("X", event_id="fix", dept_code=OTHER, received_at=ago(0))
    book.fold(portion_of(Stream.CASE, 27, fix, sender="/system/c"))
    assert standing(book) == ("fix", False, OTHER)
    assert book.wrong_rows() == []


@pytest.mark.usefixtures("whole")
def test_it_may_come_before_its_case_and_holds_from_its_departments_first_record(book: Ledger) -> None:  # noqa: F811
    book.fold(portion_of(Stream.DECISION, 0, decided()))
    assert book.ask("select placeholder, reviews, open_since from service") == [(True, 0, None)]
    book.fold(portion_of(Stream.REVIEW, 0, review("X", 1, event_id="r")))
    book.fold(portion_of(Stream.CASE, 0, case("X", event_id="a0"), sender="/system/a"))
    assert standing(book) == ("a0", False, DEPT), "its department has said nothing yet"
    book.fold(portion_of(Stream.CASE, 1, case("X", event_id="b0", dept_code=OTHER), sender="/system/b"))
    assert standing(book) == ("b0", False, OTHER)
    assert book.wrong_rows() == []


def test_the_reviews_of_the_system_that_was_decided_for_rank_first(book: Ledger) -> None:  # noqa: F811
    book.fold(
        portion_of(Stream.REVIEW, 0, review("X", 5, event_id="a", received_at=ago(9)), sender="/system/a")
    )
    book.fold(
        portion_of(Stream.REVIEW, 1, review("X", 1, event_id="b", received_at=ago(8)), sender="/system/b")
    )
    book.fold(portion_of(Stream.CASE, 0, case("X", event_id="a0", received_at=ago(60)), sender="/system/a"))
    book.fold(
        portion_of(
            Stream.CASE,
            1,
            case("X", event_id="b0", dept_code=OTHER, received_at=ago(50)),
            sender="/system/b",
        )
    )
    assert book.ask("select event_id from review where effective") == [("a",)]
    book.fold(portion_of(Stream.DECISION, 0, decided()))
    assert book.ask("select event_id from review where effective") == [("b",)]
    assert book.wrong_rows() == []


@pytest.mark.parametrize("sender", [None, ""])
def test_one_that_nobody_signed_is_a_dead_letter(book: Ledger, sender: str | None) -> None:  # noqa: F811
    """Nor does it count when an operator has a dead letter sent again: that signature names nobody."""
    disputed(book)
    said = decided()
    if sender is None:
        del said["received_at"]
    book.fold(portion_of(Stream.DECISION, 0, said, sender=sender or ""))
    assert book.ask("select reason from dead_letter") == [("not_signed",)]
    assert standing(book) == ("a0", True, DEPT)
    assert book.wrong_rows() == []


def test_the_same_one_again_is_a_duplicate(book: Ledger) -> None:  # noqa: F811
    disputed(book)
    book.fold(portion_of(Stream.DECISION, 0, decided()))
    book.fold(portion_of(Stream.DECISION, 1, decided(received_at=ago(5)), decided(why="another")))
    assert book.ask(
        "select stored, duplicate from stream_position where topic = 'decision' and partition = 0"
    ) == [(2, 1)]
    assert sorted(book.ask("select why, flags from decision")) == [
        ("another", ["id_reused"]),
        ("it served the citizen", ["id_reused"]),
    ]
    assert book.wrong_rows() == []


def test_a_command_says_who_decided(book: Ledger, ledger: Settings) -> None:  # noqa: F811
    disputed(book)
    at = "2026-11-02T09:00:00+08:00"
    book.fold(portion_of(Stream.DECISION, 0, decided(received_at=at)))
    said = CliRunner().invoke(app, ["case", "show", "X"], env=environment(ledger)).stdout
    first, *lines = said.splitlines()
    assert first == f"decided for {OTHER} by li, 2026-11-02 09:00:00+08:00: it served the citizen"
    assert [line.split()[0] for line in lines] == [DEPT, "*"]


def test_it_counts_whenever_the_database_was_made(book: Ledger) -> None:  # noqa: F811
    """A database that is made anew says that claims count from today on; no decision is older than signatures."""
    disputed(book)
    portion = portion_of(Stream.DECISION, 0, decided())
    later = datetime.now(UTC) + timedelta(days=1)
    book.folder.fold(book.connection, [decode(portion, book.folder.sealer, {}, later)])
    assert standing(book) == ("b0", False, OTHER)
