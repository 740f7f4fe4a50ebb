"""The fold against real PostgreSQL: what the model says of any history, the rows and counters say too."""

import copy
import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg2.extensions import cursor as Cursor
from sqlalchemy import text

from pipeline.ledger import recount, tables
from pipeline.ledger.copying import Row, copy_rows
from pipeline.ledger.decode import Decoded
from pipeline.ledger.engine import engine
from pipeline.ledger.fold import Folder
from pipeline.ledger.portion import Portion, Record
from pipeline.ledger.positions import reconcile
from pipeline.ledger.raw import unpack
from pipeline.ledger.verify import CHECKS
from pipeline.ledger.write import write
from pipeline.log import Watermark
from pipeline.rules.fold import Arrival, Changes
from pipeline.rules.measures import MEASURES
from pipeline.rules.policy import Policy
from pipeline.rules.records import Place
from pipeline.sealing import Sealer
from pipeline.settings import Settings
from schemas.codes import Channel
from schemas.topics import Stream
from tests.conftest import EDGE
from tests.harness import case, review, signature
from tests.model import Model, modelled
from tests.strategies import histories

pytestmark = pytest.mark.system
NOW_MS = int(datetime.now(UTC).timestamp() * 1000)
PARTITIONS = (0, 1)
STREAMS = {Stream.CASE: "case", Stream.REVIEW: "review", Stream.DECISION: "decision"}


class Ledger:
    """One connection and a folder; portions are cut by hand."""

    def __init__(self, made: Settings) -> None:
        self.settings = made
        self.pool = engine(made.database, "test")
        self.connection: Any = self.pool.raw_connection().driver_connection
        self.folder = Folder(
            Policy(), Sealer(made.seal)
        )  # what claims a time without a signature claims it in vain

    def clear(self) -> None:
        with self.connection.cursor() as cursor:
            cursor.execute("truncate " + ", ".join(t.name for t in tables.ledger.sorted_tables))
            marks = [Watermark(topic, n, "id", 0, 10**6) for topic in STREAMS.values() for n in PARTITIONS]
            reconcile(cursor, {(mark.topic, mark.partition) for mark in marks}, lambda: marks)
        self.connection.commit()

    def fold(self, *portions: Portion) -> Any:
        return self.folder.fold(self.connection, [self.folder.decode(p) for p in portions])

    def fold_arrivals(self, arrivals: list[Arrival], partition: int) -> None:
        """A batch of arrivals at the end of this partition of the review topic; sets their places, else leaves them alone."""
        ((offset,),) = self.ask(
            f"select next_offset from stream_position where topic = 'review' and partition = {partition}"
        )
        portion = Portion(Stream.REVIEW, "review", partition, offset, offset + len(arrivals), [])
        for arrival in arrivals:
            arrival.entry.place = Place("review", partition, arrival.entry.place.offset)
        placed = copy.deepcopy(arrivals)
        self.folder.fold(self.connection, [Decoded(portion, placed, [], 0, b"", len(placed))])

    def ask(self, question: str) -> list[tuple[Any, ...]]:
        with self.connection.cursor() as cursor:
            cursor.execute(question)
            rows: list[tuple[Any, ...]] = cursor.fetchall()
        self.connection.commit()
        return rows

    def wrong_rows(self) -> list[str]:
        """What `hcp verify` says of the rows; what it says of positions is left out."""
        checks = [check for check in CHECKS if "stream_position" not in check.query]
        parameters = recount.parameters(self.settings) | {"outbox_seconds": 60}
        with self.pool.connect() as connection:
            return [c.name for c in checks if connection.execute(text(c.query), parameters).first()]

    def wrong_senders(self, model: Model) -> list[tuple[Any, ...]]:
        """Versions and reviews that name another sender than the copies do that were received first."""
        columns = "case_no, service_no, event_id, digest::text, sender"
        tables_ = ("case_version", "service where not placeholder", "review", "decision")
        kept = self.ask(" union all ".join(f"select {columns} from {table}" for table in tables_))
        return [row for row in kept if row[4] not in model.senders((*row[:3], row[3].replace("-", "")))]

    def sums(self, table: str, columns: tuple[str, ...]) -> Counter[str]:
        row = self.ask(f"select {', '.join(f'coalesce(sum({c}), 0)::int' for c in columns)} from {table}")[0]
        return +Counter(dict(zip(columns, row, strict=True)))


@pytest.fixture
def book(ledger: Settings) -> Ledger:
    made = Ledger(ledger)
    made.clear()
    return made


@given(history=histories, data=st.data())
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_history_in_any_batches_of_any_workers_agrees_with_the_model(
    book: Ledger, history: list[Arrival], data: st.DataObject
) -> None:
    book.clear()
    order = list(data.draw(st.permutations(history)))
    cuts = [0, *sorted(data.draw(st.lists(st.integers(0, len(order)), max_size=3))), len(order)]
    for start, end in pairwise(cuts):
        book.folder.stripe = data.draw(st.integers(0, 1))  # another worker
        book.fold_arrivals(order[start:end], data.draw(st.sampled_from(PARTITIONS)))
    model = modelled(history)
    assert book.sums("counter", MEASURES) == model.counters()
    assert book.sums("stream_position", ("stored", "duplicate", "conflict")) == +model.fates()
    services = {
        (c, n, ""): (o, s)
        for c, n, o, s in book.ask("select case_no, service_no, outcome, open_since from service")
    }
    expected = {s: (model.outcome(s), model.open_since(s)) for s in model.services() if s[0]}
    assert services == expected
    opened = Counter((d, at) for d, at in book.ask("select dept_code, opened_at from ticket"))
    assert opened == Counter(model.tickets().values())
    effective = {
        row[0]
        for row in book.ask("select event_id || digest::text from review where effective and case_no <> ''")
    }
    ours = [model.effective(s, n) for s in model.services() if s[0] for n in (1, 2)]
    assert {i.replace("-", "") for i in effective} == {i[4] + i[5] for i in ours if i}
    assert book.wrong_senders(model) == []
    assert book.wrong_rows() == []


def portion_of(
    stream: Stream, start: int, *events: dict[str, Any], sender: str = "/test", topic: str = ""
) -> Portion:
    """These events as producers of ours send them: what says when it was received is signed."""
    records, topic = [], topic or STREAMS[stream]
    for i, event in enumerate(events):
        value = json.dumps(event).encode()
        headers = (("ce_id", event["event_id"].encode()), *signature(EDGE, topic, value, sender))
        records.append(Record(start + i, NOW_MS, b"k", headers, value))
    return Portion(stream, topic, 0, start, start + len(events), records)


def test_a_batch_that_comes_again_is_dropped_and_an_overlap_is_trimmed(book: Ledger) -> None:
    one, two, three = case("A"), case("B"), case("C")
    assert book.fold(portion_of(Stream.CASE, 0, one, two)).records == 2
    assert book.fold(portion_of(Stream.CASE, 0, one, two)).records == 0
    assert book.fold(portion_of(Stream.CASE, 1, two, three)).records == 1
    assert book.sums("stream_position", ("stored", "duplicate")) == {"stored": 3}


def test_a_gap_folds_nothing_and_says_from_where_to_read_again(book: Ledger) -> None:
    book.fold(portion_of(Stream.CASE, 0, case("A")))
    folded = book.fold(portion_of(Stream.CASE, 2, case("C")), portion_of(Stream.REVIEW, 0, review("A")))
    assert folded.seeks == {("case", 0): 1}
    assert folded.records == 1, "the other topic goes on"


def test_an_empty_portion_moves_the_position_over_markers(book: Ledger) -> None:
    book.fold(Portion(Stream.CASE, "case", 0, 0, 3, []))
    assert book.ask(
        "select next_offset, records from stream_position where topic = 'case' and partition = 0"
    ) == [(3, 0)]


def test_hostile_text_is_stored_as_it_is(book: Ledger) -> None:
    comment = 'tab\there \\N "quoted" {brace, }\nsecond line \\.\n\\\\ 好'
    event = review("A\\", 1, comment=comment, reason_codes=['1"1', "a\\b", "{,}", ""], item_code="\\N")
    book.fold(portion_of(Stream.REVIEW, 0, event))
    rows = book.ask("select case_no, comment, reason_codes, item_code from review")
    assert rows == [("A\\", comment.replace("\t", ""), ['1"1', "a\\b", "{,}", ""], "\\N")]
    book.fold(portion_of(Stream.REVIEW, 1, event))
    assert book.sums("stream_position", ("stored", "duplicate")) == {"stored": 1, "duplicate": 1}


def test_what_is_read_back_is_what_was_written(book: Ledger) -> None:
    """A version replaced and replaced back: every field survives the way through the tables."""
    full = case(
        "A", item_name="城镇\\医保\n", area_code="610326001", hall_code="h", window_code="w", staff_id="s",
        accepted_at="2026-11-01T00:00:00+08:00", source="src", service_no=7, served_at="2026-11-01T00:00:00Z",
    )  # fmt: skip
    book.fold(
        portion_of(
            Stream.CASE,
            0,
            full | {"received_at": "2026-11-03T00:00:00Z"},
        )
    )
    before = book.ask("select * from service")
    book.fold(
        portion_of(
            Stream.CASE, 1, full | {"event_id": "x", "received_at": "2026-11-02T00:00:00Z", "source": "older"}
        )
    )
    book.fold(
        portion_of(
            Stream.REVIEW, 0, review("A", 1, service_no=7, channel=Channel.TERMINAL, device_seq=2**63 - 1)
        )
    )
    columns = [c.name for c in tables.service.columns]
    after = dict(zip(columns, book.ask("select * from service")[0], strict=True))
    changed = {"received_at", "versions", "reviews", "outcome", "open_since"}
    kept = {n: v for n, v in zip(columns, before[0], strict=True) if n not in changed}
    assert {n: after[n] for n in kept} == kept
    assert (after["versions"], after["reviews"], after["open_since"]) == (2, 1, None)


def test_the_raw_blocks_hold_every_record_and_no_clear_identity(book: Ledger) -> None:
    events = [review("A", 1, reviewer={"phone": "19900001234"}, shoe_size=44), review("B", 9)]
    book.fold(portion_of(Stream.REVIEW, 0, *events))
    (data,) = book.ask("select data from raw_block")[0]
    good, bad = unpack(bytes(data))
    assert json.loads(good.value or b"")["shoe_size"] == 44
    assert b"19900001234" not in (good.value or b"")
    assert (bad.value, bad.refused) == (None, True)


def test_the_fates_add_up_to_the_records(book: Ledger) -> None:
    event = review("A", 1)
    tombstone = Record(3, NOW_MS, b"k", (), None)
    portion = portion_of(Stream.REVIEW, 0, event, event, review("A", 2))
    portion.records.append(tombstone)
    portion.end = 4
    book.fold(portion)
    row = book.ask(
        "select records, stored, duplicate, conflict, dead_letter, skipped from stream_position where records > 0"
    )
    assert row == [(4, 1, 1, 1, 0, 1)]


def test_a_position_never_moves_without_its_effects(book: Ledger) -> None:
    def failing(cursor: Cursor, changes: Any, stripe: int) -> None:
        cursor.execute("select 1/0 from nowhere")

    book.folder.write = failing
    with pytest.raises(Exception, match="nowhere"):
        book.fold(portion_of(Stream.CASE, 0, case("A")))
    assert book.ask("select next_offset from stream_position where topic = 'case' and partition = 0") == [
        (0,)
    ]


@pytest.mark.parametrize("bad", [(), (0,), (999,), (3, 4, 500)])
def test_bad_records_are_found_by_halves_and_the_others_do_not_suffer(
    book: Ledger, bad: tuple[int, ...]
) -> None:
    """All of one case: record by record, each would read all those before it, and the transaction would never end."""
    records, tries = 1_000, []

    def poisoned(cursor: Cursor, changes: Changes, stripe: int) -> None:
        tries.append(changes)
        if any(entry.event.comment == "poison" for c in changes.dossiers for entry in c.dossier.reviews):
            raise ArithmeticError
        write(cursor, changes, stripe)

    book.folder.write = poisoned
    reviews = [review("HOT", comment="poison" if n in bad else str(n)) for n in range(records)]
    book.fold(portion_of(Stream.REVIEW, 0, *reviews))
    fates = {"stored": 1, "conflict": records - 1 - len(bad), "dead_letter": len(bad)}
    assert book.sums("stream_position", tuple(fates)) == +Counter(fates)
    assert book.ask("select count(*)::int, count(distinct reason)::int from dead_letter") == [
        (len(bad), bool(bad))
    ]
    assert book.wrong_rows() == []
    assert len(tries) <= 1 + len(bad) * 2 * 10 + 1


def test_a_row_that_cannot_be_made_is_told_as_itself(book: Ledger) -> None:
    """Psycopg2 says of it that the server cancelled a query, which would be tried again for ever."""

    def rows() -> Iterator[Row]:
        yield (1,)
        raise ArithmeticError("of a row")

    with book.connection.cursor() as cursor, pytest.raises(ArithmeticError, match="of a row"):
        copy_rows(cursor, tables.outbox, ["id"], rows())
    book.connection.rollback()
