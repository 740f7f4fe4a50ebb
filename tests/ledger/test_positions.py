"""Positions and the log compared: where reading begins, goes on, has lost something, or must not go on."""

from collections.abc import Iterable
from typing import Any

import pytest
from psycopg2.errors import LockNotAvailable

from pipeline.ledger.engine import transaction
from pipeline.ledger.positions import MadeAnew, Position, adopt, advance, lock, read, reconcile
from pipeline.log import Watermark
from pipeline.rules.records import Fate
from pipeline.settings import Settings
from tests.ledger.test_fold import Ledger

pytestmark = pytest.mark.system
FATES = {fate: n for n, fate in enumerate(Fate, 1)}


@pytest.fixture
def book(ledger: Settings) -> Ledger:
    """Without a position."""
    return Ledger(ledger)


def mark(partition: int, start: int, end: int, topic_id: str = "id", topic: str = "t") -> Watermark:
    return Watermark(topic, partition, topic_id, start, end)


def look(book: Ledger, *marks: Watermark, of: Iterable[tuple[str, int]] = ()) -> tuple[Any, list[MadeAnew]]:
    with transaction(book.pool) as cursor:
        return reconcile(cursor, set(of) or {(m.topic, m.partition) for m in marks}, lambda: marks)


def move(book: Ledger, partition: int, end: int, fates: dict[Fate, int] = FATES) -> None:
    with transaction(book.pool) as cursor:
        advance(cursor, lock(cursor, [("t", partition)])["t", partition], end, fates)


def stands(
    book: Ledger, columns: str = "partition, topic_id, first_offset, next_offset"
) -> list[tuple[Any, ...]]:
    return book.ask(f"select {columns} from stream_position order by partition, topic_id")


def test_reading_begins_where_the_log_begins_of_what_was_asked_for(book: Ledger) -> None:
    marks = mark(0, 5, 9), mark(1, 0, 9), mark(2, 7, 7), mark(0, 1, 2, topic="other")
    assert look(book, *marks, of=[("t", 0), ("t", 2)]) == ({("t", 0): 5, ("t", 2): 7}, [])
    assert stands(book) == [(0, "id", 5, 5), (2, "id", 7, 7)]
    with transaction(book.pool) as cursor:
        assert read(cursor, [("t", 0), ("t", 1)]) == {("t", 0): Position("t", 0, "id", 5)}
        assert lock(cursor, [("t", 2), ("t", 0)]).keys() == {("t", 0), ("t", 2)}


def test_a_position_counts_each_fate_under_its_own_name_and_no_other_position_moves(book: Ledger) -> None:
    look(book, mark(0, 0, 99), mark(1, 0, 99))
    names = "partition, next_offset, records, stored, duplicate, conflict, dead_letter, skipped"
    for times in (1, 2):
        move(book, 0, 15 * times)
        assert stands(book, names) == [
            (0, 15 * times, 15 * times, *(n * times for n in (1, 2, 3, 4, 5))), (1, 0, 0, 0, 0, 0, 0, 0)
        ]  # fmt: skip
    assert look(book, mark(0, 0, 99), mark(1, 0, 99)) == ({("t", 0): 30, ("t", 1): 0}, [])


def test_what_retention_took_is_a_gap_on_record_and_reading_goes_on_behind_it(book: Ledger) -> None:
    look(book, mark(0, 0, 99), mark(1, 0, 99))
    move(book, 0, 10)
    move(book, 1, 10)
    for _ in range(2):
        assert look(book, mark(0, 10, 99), mark(1, 13, 99)) == ({("t", 0): 10, ("t", 1): 13}, [])
    gaps = "select topic, partition, topic_id, from_offset, to_offset from log_gap"
    assert book.ask(gaps) == [("t", 1, "id", 10, 13)]
    assert stands(book, "next_offset, records") == [(10, 15), (13, 15)], "nothing lost is counted as read"


def test_another_topic_of_the_same_name_is_not_read_before_it_is_adopted(book: Ledger) -> None:
    look(book, mark(0, 0, 99), mark(1, 0, 99), mark(2, 0, 99))
    move(book, 0, 10)
    anew, shorter, same = mark(0, 3, 99, "new"), mark(1, 0, 99), mark(2, 0, 99)
    starts, told = look(book, anew, shorter, same)
    assert starts == {("t", 1): 0, ("t", 2): 0}, "the others go on"
    assert told == [MadeAnew(Position("t", 0, "id", 10), anew)]
    with transaction(book.pool) as cursor:
        adopt(cursor, anew)
    assert look(book, anew) == ({("t", 0): 3}, [])
    was = stands(book, "partition, topic_id, first_offset, next_offset, retired_at is null")
    assert was[:2] == [(0, "id", 0, 10, False), (0, "new", 3, 3, True)]
    assert [row[4] for row in was[2:]] == [True, True], "adopting one retires no other"


def test_a_log_that_ends_before_the_position_has_lost_its_end_and_what_was_folded_is_set_apart(
    book: Ledger,
) -> None:
    """The same id, but less than was read already: a broker that was set back. Its neighbour goes on."""
    look(book, mark(0, 0, 99), mark(1, 0, 99))
    move(book, 0, 10)
    assert look(book, mark(0, 0, 10)) == ({("t", 0): 10}, [])
    book.ask(
        "insert into log_gap (topic, partition, topic_id, from_offset, to_offset) values ('t', 0, 'id', 0, 1), ('t', 1, 'id', 0, 1) returning 1"
    )
    cut, other = mark(0, 4, 9), mark(1, 0, 99)
    for _ in range(2):
        starts, told = look(book, cut, other)
        assert starts == {("t", 1): 0}
        assert told == [MadeAnew(Position("t", 0, "id~1", 10), cut)], "however often it is looked at"
    assert book.ask("select partition, topic_id from log_gap order by 1") == [(0, "id~1"), (1, "id")]
    for _ in range(2):
        with transaction(book.pool) as cursor:
            adopt(cursor, cut)
        assert look(book, cut, other) == ({("t", 0): 4, ("t", 1): 0}, [])
    columns = "partition, topic_id, first_offset, next_offset, retired_at is null"
    assert stands(book, columns) == [
        (0, "id", 4, 4, True), (0, "id~1", 0, 10, False), (1, "id", 0, 0, True)
    ]  # fmt: skip


def test_adopting_leaves_a_position_that_the_log_holds_and_sets_apart_one_that_nobody_had_looked_at(
    book: Ledger,
) -> None:
    look(book, mark(0, 0, 99))
    move(book, 0, 10)
    for end, expected in (
        (99, [(0, "id", 0, 10)]),
        (10, [(0, "id", 0, 10)]),
        (9, [(0, "id", 4, 4), (0, "id~1", 0, 10)]),
    ):
        with transaction(book.pool) as cursor:
            adopt(cursor, mark(0, 4, end))
        assert stands(book) == expected


def test_a_position_that_came_while_the_log_was_read_is_not_judged_by_it(book: Ledger) -> None:
    """Another worker began this partition, and read on, after the log was looked at."""
    old = mark(0, 0, 5)

    def meanwhile() -> list[Watermark]:
        look(book, mark(0, 0, 99))
        move(book, 0, 10)
        return [old]

    with transaction(book.pool) as cursor:
        assert reconcile(cursor, {("t", 0)}, meanwhile) == ({("t", 0): 10}, [])


def test_a_locked_position_is_nobody_elses_and_reading_one_waits_for_nobody(book: Ledger) -> None:
    look(book, mark(0, 0, 99), mark(1, 0, 99))
    with transaction(book.pool) as ours, transaction(book.pool) as theirs:
        lock(ours, [("t", 0)])
        assert read(theirs, [("t", 0)]) == read(ours, [("t", 0)])
        assert lock(theirs, [("t", 1)]).keys() == {("t", 1)}
        theirs.execute("set local lock_timeout = '50ms'")
        with pytest.raises(LockNotAvailable):
            lock(theirs, [("t", 0)])
        theirs.connection.rollback()


def test_what_was_made_anew_is_told_with_what_to_do() -> None:
    told = str(MadeAnew(Position("t", 3, "old", 10), Watermark("t", 3, "new", 0, 7)))
    assert told.startswith(
        "t[3] was made anew, or lost its end: the ledger stands at offset 10 of topic id old,"
    )
    assert "topic id new with end 7" in told
    assert "hcp positions adopt t --dry-run" in told
