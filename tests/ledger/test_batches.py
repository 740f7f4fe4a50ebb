"""A batch of several partitions: what of it is due, what a record that cannot be folded costs, what is written of it all."""

import json
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import count
from typing import Any

import pytest
from psycopg2.errors import DeadlockDetected, UniqueViolation
from psycopg2.extensions import cursor as Cursor

from pipeline.ledger.decode import decode, open_around
from pipeline.ledger.fold import Folder
from pipeline.ledger.outbox import headers_from
from pipeline.ledger.portion import Portion, Record
from pipeline.ledger.write import write
from pipeline.rules.fold import Changes
from pipeline.rules.policy import Policy
from pipeline.rules.records import Fate
from schemas.codes import Channel
from schemas.topics import Stream
from tests.harness import DEPT, case, review
from tests.ledger.test_fold import NOW_MS, Ledger, book, portion_of  # noqa: F401  `book` is a fixture

pytestmark = pytest.mark.system
APPENDED_MS = 1_795_399_200_005
APPENDED = datetime(2026, 11, 23, 2, 0, 0, 5000, tzinfo=UTC)
POSITIONS = "select topic, partition, next_offset, records, stored, dead_letter, skipped from stream_position where next_offset > 0 order by 1, 2"


def at(partition: int, portion: Portion, topic: str = "") -> Portion:
    portion.partition, portion.topic = partition, topic or portion.topic
    return portion


def poison(*words: str, error: type[Exception] = ArithmeticError) -> Any:
    """A write that cannot do with reviews of these words."""

    def poisoned(cursor: Cursor, changes: Changes, stripe: int) -> None:
        write(cursor, changes, stripe)
        said = {entry.event.comment for change in changes.dossiers for entry in change.dossier.reviews}
        if said & set(words):
            raise error

    return poisoned


def test_each_partition_of_a_batch_is_judged_by_its_own_position(book: Ledger) -> None:  # noqa: F811
    book.fold(at(0, portion_of(Stream.CASE, 0, case("A"))), at(1, portion_of(Stream.CASE, 0, case("B"))))
    folded = book.fold(
        at(0, portion_of(Stream.CASE, 0, case("X")), topic="an unknown topic"),
        at(1, portion_of(Stream.CASE, 4, case("E"))),
        at(1, portion_of(Stream.CASE, 1, case("C"))),
        at(1, portion_of(Stream.CASE, 5, case("F"))),
        at(0, portion_of(Stream.CASE, 0, case("A"))),
        at(0, portion_of(Stream.REVIEW, 2, review("A"))),
        at(0, portion_of(Stream.REVIEW, 3, review("B"))),
        at(1, portion_of(Stream.REVIEW, 1, review("C"))),
        at(1, portion_of(Stream.REVIEW, 0, review("D"))),
    )
    assert folded.seeks == {("case", 1): 2, ("review", 0): 0}
    assert folded.records == 3
    assert book.ask(POSITIONS) == [
        ("case", 0, 1, 1, 1, 0, 0), ("case", 1, 2, 2, 2, 0, 0), ("review", 1, 2, 2, 2, 0, 0)
    ]  # fmt: skip
    assert book.fold().records == 0


def test_what_was_folded_of_a_portion_before_is_cut_off_and_the_rest_is_sealed_as_ever(
    book: Ledger,  # noqa: F811
) -> None:
    events = review("A"), review("B", reviewer={"phone": "19900001234"}), {"event_id": "unreadable"}
    book.fold(portion_of(Stream.REVIEW, 0, *events[:1]))
    book.fold(portion_of(Stream.REVIEW, 0, *events))
    assert book.ask(POSITIONS) == [("review", 0, 3, 3, 2, 1, 0)]
    assert book.ask("select first_offset, end_offset, records from raw_block order by 1") == [
        (0, 1, 1),
        (1, 3, 2),
    ]
    assert book.ask("select left(reviewer, 3) from review where case_no = 'B'") == [("s1.",)]


def test_a_good_batch_is_written_at_once(book: Ledger) -> None:  # noqa: F811
    """Were it not, the batch in parts would hide it: all would be right, and slow."""
    written: list[list[str]] = []

    def writes(cursor: Cursor, changes: Changes, stripe: int) -> None:
        written.append([change.dossier.key.case_no for change in changes.dossiers])
        write(cursor, changes, stripe)

    book.folder.write = writes
    book.fold(portion_of(Stream.CASE, 0, case("A"), case("B")), portion_of(Stream.REVIEW, 0, review("A")))
    assert written == [["A", "B"]]
    book.fold(Portion(Stream.CASE, "case", 0, 2, 4, []), Portion(Stream.REVIEW, "review", 0, 1, 2, []))
    assert len(written) == 1, "nothing to write"


def test_a_record_that_cannot_be_folded_is_refused_as_itself(book: Ledger) -> None:  # noqa: F811
    book.folder.write = poison("p")
    portions = [
        at(0, portion_of(Stream.CASE, 0, case("A"))),
        at(
            0, portion_of(Stream.REVIEW, 0, review("A"), review("B", comment="p"), {"event_id": "unreadable"})
        ),
        at(1, portion_of(Stream.REVIEW, 0, review("C", comment="p"), review("D", 1), review("D", 2))),
    ]
    folded = book.fold(*portions)
    zeros = dict.fromkeys(Fate, 0)
    assert folded.fates == {
        ("case", 0): zeros | {Fate.STORED: 1},
        ("review", 0): zeros | {Fate.STORED: 1, Fate.DEAD_LETTER: 2},
        ("review", 1): zeros | {Fate.STORED: 1, Fate.CONFLICT: 1, Fate.DEAD_LETTER: 1},
    }
    letters = book.ask('select partition, "offset", reason, message from dead_letter order by 1, 2')
    assert letters[0] == (0, 1, "fold_error", "ArithmeticError")
    assert [row[:3] for row in letters[1:]] == [(0, 2, "missing_field"), (1, 0, "fold_error")]
    values = book.ask('select value from dead_letter order by partition, "offset"')
    assert b'"p"' in book.folder.sealer.open(bytes(values[0][0]).decode(), "review", "0", "1")
    assert book.wrong_rows() == []


def test_a_batch_in_parts_that_must_be_tried_again_begins_as_it_was(book: Ledger) -> None:  # noqa: F811
    """Another worker was there at the same moment, after a record was found to be to blame."""
    tries = count(1)

    def meets(cursor: Cursor, changes: Changes, stripe: int) -> None:
        poison("p")(cursor, changes, stripe)
        if next(tries) == 1:
            raise DeadlockDetected

    book.folder.write = meets
    portion = portion_of(Stream.REVIEW, 0, review("B", comment="p"), review("A"), {"event_id": "unreadable"})
    batch = [decode(portion, book.folder.sealer)]
    with pytest.raises(DeadlockDetected):
        book.folder.fold(book.connection, batch)
    assert book.ask("select count(*)::int from dead_letter") == [(0,)]
    assert [len(one.dead) for one in batch] == [1]
    folded = book.folder.fold(book.connection, batch)
    assert folded.fates["review", 0][Fate.DEAD_LETTER] == 2
    assert book.ask("select count(*)::int from dead_letter") == [(2,)]


@pytest.mark.parametrize("error", [DeadlockDetected, UniqueViolation])
def test_what_no_record_is_to_blame_for_is_told_after_a_rollback(book: Ledger, error: Any) -> None:  # noqa: F811
    class Told(error):  # type: ignore[misc]
        pgcode = "40P01"

    tries = count()

    def fails(cursor: Cursor, changes: Changes, stripe: int) -> None:
        next(tries)
        poison("p", error=Told)(cursor, changes, stripe)

    book.folder.write = fails
    with pytest.raises(Told):
        book.fold(portion_of(Stream.REVIEW, 0, review("A", comment="p"), review("B")))
    assert next(tries) == 1, "it is not looked for among the records"
    assert book.ask(POSITIONS) == book.ask("select 1 from review") == []


def test_what_is_written_of_a_portion_beside_its_events(book: Ledger) -> None:  # noqa: F811
    headers = (("ce_id", b"e1"), ("odd", b"\xff"), ("none", None))
    records = [
        Record(
            3, APPENDED_MS, b"k", (), json.dumps(review("A", submitted_at="2026-11-20T01:00:00Z")).encode()
        ),
        Record(4, APPENDED_MS, b"\x00\xff", headers, b"{"),
        Record(6, APPENDED_MS, None, (), None),
    ]
    book.ask(
        "update stream_position set next_offset = 3, topic_id = 'an id' where topic = 'review' and partition = 1 returning 1"
    )
    book.fold(Portion(Stream.REVIEW, "review", 1, 3, 8, records))
    columns = "topic, partition, topic_id, first_offset, end_offset, records"
    assert book.ask(f"select {columns} from raw_block") == [("review", 1, "an id", 3, 8, 3)]
    (letter,) = book.ask(
        'select topic, partition, topic_id, "offset", key, headers, reason, version, appended_at, around from dead_letter'
    )
    assert letter[:4] == ("review", 1, "an id", 4)
    assert letter[4:6] == (None, [])
    around = open_around(bytes(letter[9]), ("review", "1", "4"), book.folder.sealer)
    assert around == (b"\x00\xff", headers)
    assert letter[6:9] == ("not_json", version("haochaping"), APPENDED)
    assert book.ask(POSITIONS)[0] == ("review", 1, 8, 3, 1, 1, 1)
    ((stream, key, told, value),) = book.ask("select stream, key, headers, value from outbox")
    assert (stream, key) == ("dead-letter.v1", None)
    headers_told = dict(headers_from(told))
    assert (headers_told["hcp_at"], headers_told["hcp_around"]) == (
        APPENDED.isoformat().encode(),
        bytes(letter[9]),
    )
    assert bytes(value) == bytes(book.ask("select value from dead_letter")[0][0])


def test_what_is_no_event_is_counted_over_all_portions_of_a_partition(book: Ledger) -> None:  # noqa: F811
    portions = [
        Portion(Stream.REVIEW, "review", 0, n, n + 2, [
            Record(n, NOW_MS, b"k", (), None), Record(n + 1, NOW_MS, b"k", (), b"{")
        ])
        for n in (0, 2)
    ]  # fmt: skip
    book.fold(*portions)
    assert book.ask(POSITIONS) == [("review", 0, 4, 4, 0, 2, 2)]


def test_a_replay_tells_nobody(book: Ledger) -> None:  # noqa: F811
    events = [review("A", 1), {"event_id": "unreadable"}]
    book.folder.tells = False
    book.fold(portion_of(Stream.REVIEW, 0, *events))
    assert book.ask("select count(*)::int from ticket") == [(1,)]
    assert book.ask("select count(*)::int from outbox") == [(0,)]
    book.folder.tells = True
    book.fold(portion_of(Stream.REVIEW, 2, review("B", 1), review("C", 5), review("D", 2)))
    assert book.ask("select stream, count(*)::int from outbox group by 1") == [("ticket.v1", 2)]


def test_a_ticket_is_kept_as_it_was_opened_until_its_case_comes(book: Ledger) -> None:  # noqa: F811
    bad = review(
        "A",
        2,
        event_id="r",
        service_no=3,
        review_no=1,
        submitted_at="2026-11-20T01:00:00Z",
        received_at="2026-11-20T02:00:00Z",
    )
    columns = (
        "case_no, service_no, review_no, event_id, satisfaction, dept_code, routed_by, opened_at, contact_due_at,"
        " due_at, provisional"
    )
    book.fold(portion_of(Stream.REVIEW, 0, bad, review("B", 1)))
    (digest,) = book.ask("select digest from review where case_no = 'A'")
    opened = datetime(2026, 11, 20, 2, tzinfo=UTC)
    due = [datetime(2026, 11, day, 15, 59, 59, tzinfo=UTC) for day in (23, 27)]
    before = ("A", 3, 1, "r", 2, "610326", "county", opened, *due, False)
    assert book.ask(f"select {columns} from ticket where case_no = 'A'") == [before]
    book.fold(portion_of(Stream.CASE, 0, case("A", service_no=3)))
    assert book.ask(f"select {columns} from ticket where case_no = 'A'") == [
        (*before[:5], DEPT, "case", *before[7:])
    ]
    assert book.ask("select digest from ticket where case_no = 'A'") == [digest]
    assert book.ask("select routed_by from ticket where case_no = 'B'") == [("county",)]


def test_counters_are_kept_in_the_workers_own_stripe(book: Ledger) -> None:  # noqa: F811
    assert Folder(Policy(), book.folder.sealer).stripe == 0
    for start, stripe in enumerate((0, 3, 3)):
        book.folder.stripe = stripe
        book.fold(portion_of(Stream.CASE, start, case(f"A{start}")))
    assert book.ask("select stripe, services::int from counter order by stripe") == [(0, 1), (3, 2)]


def test_of_a_stored_review_only_what_changed_is_written_again(book: Ledger) -> None:  # noqa: F811
    """A real review takes the place of the one given by default; a third one beside them stays as it is."""
    default, follow_up = review("A", 5, channel=Channel.DEFAULT), review("A", 4, review_no=2)
    book.fold(portion_of(Stream.REVIEW, 0, default, follow_up))
    rows = "select satisfaction, effective, xmin::text from review order by satisfaction"
    before = {row[0]: row[1:] for row in book.ask(rows)}
    book.fold(portion_of(Stream.REVIEW, 2, review("A", 3)))
    after = {row[0]: row[1:] for row in book.ask(rows)}
    assert {level: effective for level, (effective, _) in after.items()} == {3: True, 4: True, 5: False}
    assert after[4] == before[4]
