"""Erasing an identity: from now on nothing of ours reads it, and what the database holds of it goes.

Rows, figures and tickets stay. What lies sealed on the log stays there until its retention is over (`Erased.until`).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import NamedTuple
from uuid import UUID

from psycopg2 import sql
from psycopg2.errors import UndefinedColumn
from psycopg2.extensions import cursor as Cursor
from sqlalchemy import Engine

from pipeline.erasures import Erasure
from pipeline.ledger.decode import KeptLetter, appended_at, dead_letter, decode, open_letter
from pipeline.ledger.engine import opened_engine, transaction
from pipeline.ledger.failures import Stop
from pipeline.ledger.outbox import dead_letter_row
from pipeline.ledger.portion import Portion, Record
from pipeline.ledger.raw import RawRecord, pack, unpack
from pipeline.ledger.received import signed_since
from pipeline.ledger.reviewers import ERASED, EXPIRED
from pipeline.sealing import CannotOpen, Sealer
from pipeline.settings import Settings
from schemas.topics import Stream

_FIND = """
    select event_id from review where event_id = %(name)s
    union all select event_id from ticket where ticket_id = %(ticket)s limit 1"""
_SCHEMAS = """
    select table_schema from information_schema.tables where table_name = 'raw_block'
    and table_schema in (select table_schema from information_schema.tables where table_name = 'review') order by 1"""
_POSITIONS = "select partition, topic_id from stream_position where topic = %s"
BLOCKS = 20
"""Read at once: about 10,000 records, a second's work at most."""
_BLOCKS = """
    select partition, topic_id, first_offset, data from raw_block where topic = %s
    order by partition, topic_id, first_offset"""
_BLOCK = """
    select data from raw_block where topic = %s and partition = %s and topic_id = %s and first_offset = %s for update"""
_WRITE_BLOCK = """
    update raw_block set data = %s where topic = %s and partition = %s and topic_id = %s and first_offset = %s"""
_LETTERS = """
    select partition, topic_id, "offset", appended_at, value, around, parts, reason, message, records from dead_letter
    where topic = %s"""
_WRITE_LETTER = """
    update dead_letter set value = %s, around = null, parts = %s, key = null, headers = '[]'
    where topic = %s and partition = %s and topic_id = %s and "offset" = %s"""
_WRITE_TOLD = """
    update outbox set value = %s, headers = %s where stream = 'dead-letter.v1' and value = %s"""
_REVIEWS = f"""
    update review set reviewer = null, reviewer_mark = '', flags = array(
        select f from unnest(array_remove(array_remove(flags, '{ERASED}'), '{EXPIRED}') || '{ERASED}'::text) f
        order by f collate "C")
    where event_id = any(%s) and (reviewer is not null or reviewer_mark <> '' or (
        event_id = any(%s) and ('{EXPIRED}' = any(flags) or not '{ERASED}' = any(flags))))"""
_LEFT = "select distinct event_id from review where event_id = any(%s) and (reviewer is not null or reviewer_mark <> '')"
_TURN = "select pg_try_advisory_xact_lock(hashtext('hcp erase'))"


class Erased(NamedTuple):
    """What was taken out of the database: reviews, raw records and dead letters, in all its ledgers.

    `until`: when the last of these records leaves the log, by the retention of the settings; None if there is none. `left`:
    ledgers of so old a version that they were not worked through; nothing of ours opens what they hold.
    """

    reviews: int
    records: int
    letters: int
    until: datetime | None
    left: list[str]


def named(settings: Settings, name: str) -> str:
    """The event id of the review with this event id, or of this ticket. Blocks. Raises Stop if there is none."""
    with opened_engine(settings.database, "erase", pool_size=1) as pool, transaction(pool) as cursor:
        cursor.execute(_FIND, {"name": name, "ticket": _uuid(name)})
        row = cursor.fetchone()
    if row is None:
        raise Stop(
            f"no review has the event id {name}, and no ticket this number: see the ticket's page on the desk"
        )
    return str(row[0])


def erase(settings: Settings, event_id: str, by: str, why: str) -> Erased:
    """Erase the identity of the reviews with this event id: for all processes at once, then out of the database.

    Blocks while all raw records of reviews are read. May be done again, after an interruption too. Raises KeyRingError.
    """
    sealer = Sealer(settings.seal)
    sealer.erasures.add(Erasure(event_id, datetime.now(UTC), by, why))
    with opened_engine(settings.database, "erase", pool_size=2) as pool:
        return _Eraser(settings, pool, sealer, frozenset({event_id}), Event()).take_out()


def erase_again(settings: Settings, sealer: Sealer, stopping: Event) -> int:
    """Take out what a database that was restored from a backup has brought back; returns of how many events.

    Blocks, until it is done or `stopping` is set; then the next one goes on. One of several workers does it.
    """
    erasures = sealer.erasures.now()
    if not erasures:
        return 0
    with opened_engine(settings.database, "erase", pool_size=3) as pool, transaction(pool) as cursor:
        cursor.execute(_TURN)
        if cursor.fetchone() != (True,):
            return 0
        cursor.execute(_LEFT, [sorted(erasures)])
        left = frozenset(row[0] for row in cursor.fetchall())
        if left:
            _Eraser(settings, pool, sealer, left, stopping).take_out()
    return len(left)


class _LetterPlace(NamedTuple):
    """Where a dead letter lay, and when the log took it."""

    partition: int
    topic_id: str
    offset: int
    appended_at: datetime


class _Eraser:
    """Takes identities out of every ledger of a database: the live one, those of replays and those from before.

    The rows of the reviews come last: while they are there, `erase_again` knows that something is left.
    """

    def __init__(
        self, settings: Settings, pool: Engine, sealer: Sealer, event_ids: frozenset[str], stopping: Event
    ) -> None:
        self._pool, self._sealer, self._event_ids, self._stopping = pool, sealer, event_ids, stopping
        self._topic = settings.kafka.topic(Stream.REVIEW)
        self._retention = timedelta(milliseconds=settings.kafka.retention_ms)
        self._since = signed_since(pool)
        self._last: datetime | None = None
        self._named: set[str] = set()

    def take_out(self) -> Erased:
        """Ledger by ledger."""
        with transaction(self._pool) as cursor:
            cursor.execute(_SCHEMAS)
            schemas = [row[0] for row in cursor.fetchall()]
        done, left = [(0, 0, 0)], []
        for schema in schemas:
            try:
                done.append(self._of(schema))
            except UndefinedColumn:
                left.append(schema)
        reviews, records, letters = (sum(counts) for counts in zip(*done, strict=True))
        until = None if self._last is None else self._last + self._retention
        return Erased(reviews, records, letters, until, left)

    def _of(self, schema: str) -> tuple[int, int, int]:
        """Reviews, raw records and dead letters of this ledger."""
        self._wait_for_batches(schema)
        records = sum(self._raw(schema))
        with self._ledger(schema) as cursor:
            letters = self._letters(cursor)
        if self._stopping.is_set():
            return 0, records, letters
        with self._ledger(schema) as cursor:
            cursor.execute(_REVIEWS, [sorted(self._event_ids), sorted(self._named)])
            return cursor.rowcount, records, letters

    def _wait_for_batches(self, schema: str) -> None:
        """A batch that was read before the erasure ends first; one that ends later is read again (`Folder`)."""
        with self._ledger(schema) as cursor:
            cursor.execute(_POSITIONS, [self._topic])
            places = cursor.fetchall()
        for place in places:  # one at a time: no partition waits for the batch of another
            with self._ledger(schema) as cursor:
                cursor.execute(
                    f"{_POSITIONS} and (partition, topic_id) = (%s, %s) for update", [self._topic, *place]
                )

    @contextmanager
    def _ledger(self, schema: str) -> Iterator[Cursor]:
        with transaction(self._pool) as cursor:
            cursor.execute(sql.SQL("set local search_path = {}").format(sql.Identifier(schema)))
            yield cursor

    def _raw(self, schema: str) -> Iterator[int]:
        """How many records of each block were written anew: looked at without a lock, written under one."""
        for place, data in self._blocks(schema):
            if self._stopping.is_set():
                return
            if self._without(data, place[0])[1]:
                with self._ledger(schema) as cursor:
                    cursor.execute(_BLOCK, [self._topic, *place])
                    row = cursor.fetchone()
                    records, count = self._without(bytes(row[0]), place[0]) if row else ([], 0)
                    if count:
                        cursor.execute(_WRITE_BLOCK, [pack(records), self._topic, *place])
                yield count

    def _blocks(self, schema: str) -> Iterator[tuple[tuple[int, str, int], bytes]]:
        with self._ledger(schema) as cursor, cursor.connection.cursor("blocks") as blocks:
            blocks.itersize = BLOCKS
            blocks.execute(_BLOCKS, [self._topic])
            for *place, data in blocks:
                yield (place[0], place[1], place[2]), bytes(data)

    def _without(self, data: bytes, partition: int) -> tuple[list[RawRecord], int]:
        """The records of a block without these identities, and how many of them had one."""
        records = unpack(data)
        kept = [self._read_again(record, partition) for record in records]
        return kept, sum(new is not old for new, old in zip(kept, records, strict=True))

    def _read_again(self, record: RawRecord, partition: int) -> RawRecord:
        """As the fold keeps it today. The same if it is of another event, or has nothing to erase."""
        if record.value is None or not any(_may_be(record, event_id) for event_id in self._event_ids):
            return record
        read = Record(record.offset, record.timestamp, record.key, record.headers, record.value)
        portion = Portion(Stream.REVIEW, self._topic, partition, record.offset, record.offset + 1, [read])
        decoded = decode(portion, self._sealer, {}, self._since)
        entry = decoded.arrivals[0].entry if decoded.arrivals else None
        if entry is None or entry.event_id not in self._event_ids:
            return record
        self._note(record.timestamp)
        if ERASED in entry.flags:
            self._named.add(entry.event_id)
        new = unpack(decoded.raw)[0]
        return record if new.value == record.value else new

    def _letters(self, cursor: Cursor) -> int:
        """Dead letters that name an erased event go without their bytes, and so do the rows that told of them."""
        cursor.execute(_LETTERS, [self._topic])
        return sum(
            [self._letter(cursor, _LetterPlace(*row[:4]), KeptLetter(*row[4:])) for row in cursor.fetchall()]
        )

    def _letter(self, cursor: Cursor, place: _LetterPlace, kept: KeptLetter) -> int:
        about = self._topic, str(place.partition), str(place.offset)
        try:
            key, headers, value = open_letter(kept, about, self._sealer)
        except CannotOpen:
            return 0
        timestamp = round(place.appended_at.timestamp() * 1000)
        record = Record(place.offset, timestamp, key, headers, value)
        portion = Portion(Stream.REVIEW, self._topic, place.partition, place.offset, place.offset + 1, [])
        letter = dead_letter(portion, record, kept.reason, kept.message, self._sealer)
        if letter.parts is None or letter.parts == bytes(kept.parts or b""):
            return 0  # as it is kept already
        at = [self._topic, place.partition, place.topic_id, place.offset]
        cursor.execute(_WRITE_LETTER, [letter.value, letter.parts, *at])
        told = dead_letter_row(letter, place.appended_at.astimezone(UTC).isoformat())
        cursor.execute(_WRITE_TOLD, [told["value"], told["headers"], kept.parts or kept.value])
        self._note(timestamp)
        return 1

    def _note(self, timestamp: int) -> None:
        at = appended_at(timestamp)
        self._last = max(at, self._last or at)


def _may_be(record: RawRecord, event_id: str) -> bool:
    """Whether it may name this event. JSON may write any character as an escape, and letters in several forms."""
    value, name = record.value or b"", event_id.encode()
    said = [text for _, text in record.headers if text]
    return name in value or b"\\" in value or not event_id.isascii() or any(name in text for text in said)


def _uuid(name: str) -> str | None:
    try:
        return str(UUID(name))
    except ValueError:
        return None
