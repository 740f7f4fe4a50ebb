"""A machine for positions: batches lost, repeated and overlapping, holes, a database set back, a head cut off, a topic
made anew, or one that lost its end; whatever happens in whatever order, in the end the ledger is what the model says of the records it could read.
"""

import copy
import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import psycopg2
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from pipeline.ledger.decode import decode
from pipeline.ledger.engine import transaction
from pipeline.ledger.portion import Portion, Record
from pipeline.ledger.positions import adopt, lock, reconcile
from pipeline.log import Watermark
from pipeline.rules.measures import MEASURES
from pipeline.settings import Settings
from schemas.topics import Stream
from tests.harness import review
from tests.ledger.test_fold import NOW_MS, Ledger
from tests.model import Model

pytestmark = pytest.mark.system
AT = ("review", 0)
HOLE = None
"""An offset of the log that holds no record: a transaction's marker, an aborted or compacted record."""
EVENTS = [
    review(case_no, level, event_id=f"{case_no}{level}", submitted_at="2026-11-20T01:00:00Z")
    for case_no in ("A", "B") for level in (1, 4, 5)
]  # fmt: skip


class Positions(RuleBasedStateMachine):
    """One partition. `log`: what each offset holds; `start`: its first one left; `reader`: where the reader stands."""

    book: Ledger

    def __init__(self) -> None:
        super().__init__()
        self.book.clear()
        self.old = Model()
        self._new_topic("id")
        self._look()

    def _new_topic(self, topic_id: str) -> None:
        self.topic_id, self.log, self.start = topic_id, list[dict[str, Any] | None](), 0
        self.reader = self.position = 0
        self.folded: set[int] = set()
        self.blocked = False

    def _portion(self, start: int, end: int) -> Portion:
        records = [
            Record(offset, NOW_MS, b"k", (), json.dumps(event).encode())
            for offset, event in enumerate(self.log[start:end], start)
            if event is not HOLE
        ]
        return Portion(Stream.REVIEW, *AT, start, end, records)

    @contextmanager
    def _ledger(self) -> Iterator[Any]:
        with transaction(self.book.pool) as cursor:
            yield cursor

    def _look(self) -> None:
        """What the watch does: compare log and ledger, send the reader where the ledger stands."""
        mark = Watermark(*AT, self.topic_id, self.start, len(self.log))
        with self._ledger() as cursor:
            starts, anew = reconcile(cursor, {AT}, lambda: [mark])
        assert bool(anew) == self.blocked
        if not self.blocked:
            self.position = max(self.position, self.start)
            assert starts == {AT: self.position}
            self.reader = self.position

    @rule(events=st.lists(st.one_of(st.just(HOLE), st.sampled_from(EVENTS)), min_size=1, max_size=5))
    def append(self, events: list[dict[str, Any] | None]) -> None:
        self.log += events

    @rule(many=st.integers(0, 6))
    def poll_and_fold(self, many: int) -> None:
        start = max(self.reader, self.start)
        self.reader = min(start + many, len(self.log))
        self._fold(start, self.reader)

    @rule(many=st.integers(1, 6))
    def lose_a_batch(self, many: int) -> None:
        self.reader = min(max(self.reader, self.start) + many, len(self.log))

    @rule(back=st.integers(1, 8), many=st.integers(1, 8))
    def repeat_a_batch(self, back: int, many: int) -> None:
        """A zombie's, or one that was read again: it may begin before the position and end behind it."""
        start = max(self.start, self.position - back)
        self._fold(start, min(start + many, len(self.log)))

    def _fold(self, start: int, end: int) -> None:
        if self.blocked:
            return  # the worker folds nothing of a topic that was made anew
        folded = self.book.fold(self._portion(start, end))
        if start > self.position:
            assert folded.seeks == {AT: self.position}, (
                "a gap folds nothing, and says from where to read again"
            )
            self.reader = self.position
        else:
            assert folded.seeks == {}
            self.folded |= set(range(self.position, end))
            self.position = max(self.position, end)

    @precondition(lambda self: self.position > self.start and not self.blocked)
    @rule(data=st.data())
    def set_the_database_back(self, data: st.DataObject) -> None:
        """To a backup of when it stood further back in this topic; the ledger of earlier topics is in it."""
        if self.old.copies or self.start:
            return
        self.book.clear()
        self._look_anew()
        back_to = data.draw(st.integers(0, self.position))
        self.folded, self.position = set(), 0
        self._fold(0, back_to)

    def _look_anew(self) -> None:
        with self._ledger() as cursor:
            cursor.execute("delete from stream_position where topic = %s and partition = %s", AT)
            reconcile(cursor, {AT}, lambda: [Watermark(*AT, self.topic_id, 0, len(self.log))])

    @rule(many=st.integers(1, 4))
    def cut_the_head_off(self, many: int) -> None:
        self.start = min(self.start + many, len(self.log))

    @rule()
    def watch(self) -> None:
        self._look()

    @precondition(lambda self: not self.blocked and self.position > 0)
    @rule()
    def make_the_topic_anew(self) -> None:
        self._remember()
        stood = self.position
        self._new_topic(self.topic_id + "'")
        self.position, self.blocked = stood, True
        self._look()

    @precondition(lambda self: not self.blocked and self.position > self.start)
    @rule(data=st.data())
    def lose_the_end(self, data: st.DataObject) -> None:
        """A broker forgot what it had acknowledged and the ledger has; the offsets are given anew, the topic id is not."""
        self._remember()
        left = data.draw(st.integers(self.start, self.position - 1))
        self.log, self.folded, self.blocked = self.log[:left], set(), True
        self._look()

    @precondition(lambda self: self.blocked)
    @rule()
    def adopt_it(self) -> None:
        with self._ledger() as cursor:
            adopt(cursor, Watermark(*AT, self.topic_id, self.start, len(self.log)))
        self.blocked, self.position, self.reader = False, self.start, self.start

    def _remember(self) -> None:
        """What of this topic is in the ledger stays there when its successor is adopted."""
        portion = self._portion(0, len(self.log))
        portion.records = [record for record in portion.records if record.offset in self.folded]
        for arrival in decode(portion, self.book.folder.sealer).arrivals:
            self.old.read(copy.deepcopy(arrival))

    @invariant()
    def the_ledger_stands_where_it_should(self) -> None:
        with self._ledger() as cursor:
            assert lock(cursor, {AT})[AT].next_offset == self.position

    def teardown(self) -> None:
        """Read to the end, then compare everything with the model."""
        if self.blocked:
            self.adopt_it()
        self._look()
        while self.position < len(self.log):
            self.poll_and_fold(4)
        lost = set(range(len(self.log))) - self.folded
        assert all(offset < self.start for offset in lost), "only what retention took is missing"
        self._remember()
        assert self.book.sums("counter", MEASURES) == self.old.counters()
        fates = self.book.sums("stream_position", ("stored", "duplicate", "conflict"))
        assert fates == +self.old.fates()
        assert [words for words in self.book.wrong_rows() if "retention" not in words] == []


def test_positions_whatever_happens(ledger: Settings) -> None:
    Positions.book = Ledger(ledger)
    chosen = settings(
        max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
    )
    run_state_machine_as_test(Positions, settings=chosen)


def test_a_log_that_lost_its_end_and_grew_again_is_still_not_folded(ledger: Settings) -> None:
    """Else what took the place of the lost records would count as folded, and be lost in silence."""
    book = Ledger(ledger)
    look = partial(with_log, book, "id")
    assert look(0) == ({AT: 0}, 0)
    book.fold(portion(0, 6))
    assert look(2) == ({}, 1)
    assert look(9) == ({}, 1)
    with transaction(book.pool) as cursor:
        adopt(cursor, Watermark(*AT, "id", 0, 9))
        adopt(cursor, Watermark(*AT, "id", 0, 9))  # a second one who did the same finds nothing to do
    assert look(9) == ({AT: 0}, 0)
    book.fold(portion(0, 6))
    assert book.sums("stream_position", ("stored", "duplicate", "conflict")) == {
        "stored": 2, "conflict": 4, "duplicate": 6,
    }  # fmt: skip
    assert book.wrong_rows() == []


def with_log(book: Ledger, topic_id: str, end: int) -> tuple[dict[tuple[str, int], int], int]:
    """Where reading starts with a log that ends there, and how many topics are held."""
    with transaction(book.pool) as cursor:
        starts, anew = reconcile(cursor, {AT}, lambda: [Watermark(*AT, topic_id, 0, end)])
    return starts, len(anew)


def portion(start: int, end: int) -> Portion:
    records = [
        Record(n, NOW_MS, b"k", (), json.dumps(event).encode())
        for n, event in enumerate(EVENTS[start:end], start)
    ]
    return Portion(Stream.REVIEW, *AT, start, end, records)


def test_the_machine_goes_red_without_the_position(ledger: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The broken twin: a fold that believes every batch to be new."""
    book = Positions.book = Ledger(ledger)

    def blind(_: Any, decoded: Any, positions: Any) -> Any:
        ends = {(d.portion.topic, d.portion.partition): d.portion.end for d in decoded}
        return list(decoded), ends, {}

    monkeypatch.setattr(type(book.folder), "_due", blind)
    machine = Positions()
    machine.append(EVENTS[:2])
    machine.poll_and_fold(2)
    with pytest.raises(psycopg2.errors.UniqueViolation):
        machine.repeat_a_batch(back=2, many=2)
