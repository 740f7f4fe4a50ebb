"""Where a replay reads: the raw records that the ledger keeps, or the log as far back as it goes, and raw before that."""

import heapq
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

from kafka import KafkaConsumer, TopicPartition
from psycopg2.extensions import cursor as Cursor

from pipeline import log
from pipeline.ledger.decode import KeptLetter, open_letter
from pipeline.ledger.failures import Stop
from pipeline.ledger.portion import Portion, Record, Unreadable, received_at
from pipeline.ledger.raw import Damaged, RawRecord, unpack
from pipeline.ledger.skipping import replayed
from pipeline.log import Watermark
from pipeline.replay.spans import Span, damaged
from pipeline.sealing import CannotOpen, KeyDestroyed, Sealer
from pipeline.settings import Kafka

PORTION_RECORDS = 500
"""Small blocks are joined up to here, so that partitions are folded at one pace of time."""
POLL_MS = 500
SILENCE_SECONDS = 30.0
"""A broker that delivers nothing of what it has for so long is away."""


class Gap(NamedTuple):
    """Records that the log lost before the ledger had them (`log_gap`)."""

    span: Span
    start: int
    end: int


Piece = Portion | Gap
Ledger = Callable[[], AbstractContextManager[Cursor]]
"""Opens a transaction on the live ledger."""
_PIECES = """
    select first_offset, end_offset, records from raw_block
    where topic = %(topic)s and partition = %(partition)s and topic_id = %(topic_id)s
        and end_offset > %(start)s and first_offset < %(end)s
    union all select from_offset, to_offset, null from log_gap
    where topic = %(topic)s and partition = %(partition)s and topic_id = %(topic_id)s
        and to_offset > %(start)s and from_offset < %(end)s
    order by 1, 2"""
_BLOCKS = """
    select first_offset, records, data from raw_block where topic = %(topic)s and partition = %(partition)s
        and topic_id = %(topic_id)s and first_offset >= %(start)s and first_offset < %(end)s order by 1"""
_REFUSED = """
    select "offset", value, around, parts, reason, message, records from dead_letter where topic = %(topic)s and partition = %(partition)s
        and topic_id = %(topic_id)s and "offset" = any(%(offsets)s)"""


class Source:
    """Reads spans of what the live ledger has read. `marks`: the log's, to read from it what it still has; empty: raw only."""

    def __init__(self, ledger: Ledger, sealer: Sealer, kafka: Kafka, marks: Iterable[Watermark] = ()) -> None:
        self._ledger = ledger
        self._sealer = sealer
        self._kafka = kafka
        self._stepped_over: dict[Span, dict[int, str]] = {}
        self._marks = {(mark.topic, mark.partition, mark.topic_id): mark for mark in marks}

    def pieces(self, spans: Iterable[Span]) -> Iterator[Piece]:
        """Everything in these spans, at one pace of time. Blocks. Raises Stop, kafka and psycopg2 errors."""
        return heapq.merge(*(self._span(span) for span in spans), key=_time)

    def stepped_over(self, portion: Portion, span: Span) -> dict[int, str]:
        """Offset → why: what people had the fold leave out of this portion, which is of this span. Blocks."""
        if span not in self._stepped_over:
            with self._ledger() as cursor:
                self._stepped_over[span] = replayed(cursor, span.topic, span.partition, span.topic_id)
        found = self._stepped_over[span]
        return {offset: why for offset, why in found.items() if portion.start <= offset < portion.end}

    def _span(self, span: Span) -> Iterator[Piece]:
        """A topic that is another by now, or shorter than the ledger has read, is read from the raw records."""
        mark = self._marks.get(span[1:4])
        if mark is None or mark.end < span.end:
            yield from self._raw(span)
            return
        at = span.start
        for piece in self._raw(span._replace(end=max(at, min(mark.start, span.end)))):
            yield piece
            at = piece.end
        yield from self._log(span._replace(start=at))

    def _raw(self, span: Span) -> Iterator[Piece]:
        at = span.start
        for start, end, records in self._groups(span):
            if start > at:
                raise _hole(span, at, start)
            if records is None:
                yield Gap(span, start, min(end, span.end))
            else:
                portion = Portion(
                    span.stream, span.topic, span.partition, start, end, self._read(span, start, end)
                )
                yield _within(portion, at, span.end)
            at = end
        if at < span.end:
            raise _hole(span, at, span.end)

    def _groups(self, span: Span) -> Iterator[tuple[int, int, int | None]]:
        """Blocks one after the other, small ones joined; and gaps, their number of records None."""
        with self._ledger() as cursor:
            cursor.execute(_PIECES, span._asdict())
            rows = cursor.fetchall()
        group: tuple[int, int, int] | None = None
        for start, end, records in rows:
            if group and group[1] == start and records is not None and group[2] + records <= PORTION_RECORDS:
                group = group[0], end, group[2] + records
                continue
            if group:
                yield group
            group = None if records is None else (start, end, records)
            if records is None:
                yield start, end, None
        if group:
            yield group

    def _read(self, span: Span, start: int, end: int) -> list[Record]:
        with self._ledger() as cursor:
            about = span._asdict() | {"start": start, "end": end}
            cursor.execute(_BLOCKS, about)
            raw = [record for row in cursor.fetchall() for record in _unpack(span, *row)]
            refused = [record.offset for record in raw if record.refused]
            cursor.execute(_REFUSED, about | {"offsets": refused})
            letters = {row[0]: KeptLetter(*row[1:]) for row in cursor.fetchall()}
        return [
            self._opened(span, r, letters)
            if r.refused
            else Record(r.offset, r.timestamp, r.key, r.headers, r.value)
            for r in raw
        ]

    def _opened(self, span: Span, raw: RawRecord, letters: dict[int, KeptLetter]) -> Record:
        """A record that was refused, as it came, or with what is kept of it."""
        place = f"{span.topic}/{span.partition}/{raw.offset}"
        if raw.offset not in letters:
            raise Stop(f"the dead letter {place} is not in the ledger any more: see `hcp verify`")
        letter, about = letters[raw.offset], (span.topic, str(span.partition), str(raw.offset))
        try:
            key, headers, value = open_letter(letter, about, self._sealer)
        except KeyDestroyed:  # it stays a letter, of which nothing more is known than why
            bare = Unreadable(letter.reason, letter.message, {}, letter.records)
            return Record(raw.offset, raw.timestamp, None, (), bare)
        except CannotOpen as error:
            raise Stop(
                f"the dead letter {place} does not open ({error}): is its key in HCP_SEAL__KEYS, or in the folder HCP_SEAL__MONTHS?"
            ) from None
        if letter.around is None:  # an earlier version kept them with the raw record
            key, headers = raw.key, raw.headers
        return Record(raw.offset, raw.timestamp, key, headers, value)

    def _log(self, span: Span) -> Iterator[Portion]:
        at, tp = span.start, TopicPartition(span.topic, span.partition)
        consumer = KafkaConsumer(
            **log.client_options(self._kafka),
            isolation_level="read_committed",
            enable_auto_commit=False,
            max_poll_records=PORTION_RECORDS,
        )
        try:
            consumer.assign([tp])
            consumer.seek(tp, at)
            while at < span.end:
                polled, after = _polled(consumer, tp, at)
                records = [Record(r.offset, r.timestamp, r.key, tuple(r.headers), r.value) for r in polled]
                yield _within(
                    Portion(span.stream, span.topic, span.partition, at, after, records), at, span.end
                )
                at = after
        finally:
            consumer.close()


def _polled(consumer: KafkaConsumer, tp: TopicPartition, at: int) -> tuple[list[Any], int]:
    """What the log delivers from `at`, and where it goes on: transaction markers and holes lead there without a record.

    Blocks. Raises Stop if there is neither.
    """
    deadline = time.monotonic() + SILENCE_SECONDS
    while time.monotonic() < deadline:
        polled = consumer.poll(POLL_MS).get(tp, [])
        after = consumer.position(tp)
        if after > at:
            return polled, after
    raise Stop(f"the log delivers nothing of {tp.topic}[{tp.partition}] from offset {at}: is Kafka up?")


def _unpack(span: Span, first: int, records: int, data: memoryview) -> list[RawRecord]:
    try:
        raw = unpack(bytes(data))
    except Damaged as error:
        raise damaged(span, first, error) from None
    if (found := sum(one.records for one in raw)) != records:
        raise damaged(span, first, ValueError(f"{found} records instead of {records}"))
    return raw


def _within(portion: Portion, start: int, end: int) -> Portion:
    """What of it lies in [start, end)."""
    portion = portion.since(start)
    if portion.end > end:
        portion.end, portion.records = end, [record for record in portion.records if record.offset < end]
    return portion


def _time(piece: Piece) -> float:
    """When the first of it was received; a piece without records can come at any time."""
    return received_at(piece.records[0]) if isinstance(piece, Portion) and piece.records else 0


def _hole(span: Span, start: int, end: int) -> Stop:
    return Stop(
        f"the ledger keeps no raw records of {span.topic}[{span.partition}] from offset {start} to {end - 1}: see `hcp verify`;"
        " restore them from a backup of the database, or replay with `--source log` if the log still has them"
    )
