"""The floor: what reading the log and writing the ledger's rows cost alone. No fold that keeps these rows can be faster.

Records are read as the contract's structs and copied into the ledger's two large tables, batch by batch, with their raw
blocks: nothing is checked, joined, counted or decided, no position is kept, a record that came before is passed over.
"""

import asyncio
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import msgspec
from aiokafka.structs import ConsumerRecord
from psycopg2.extensions import connection as Connection

from pipeline.ledger import tables
from pipeline.ledger.copying import Row, copy_rows, insert
from pipeline.ledger.engine import engine
from pipeline.ledger.raw import pack
from pipeline.ledger.rows import REVIEW_COLUMNS, SERVICE_COLUMNS, review_row, service_row
from pipeline.rules.fold import Change
from pipeline.rules.records import Dossier, Entry, Key, Place
from pipeline.rules.settle import Settled
from pipeline.settings import Settings
from schemas.events import CaseEvent, ReviewEvent
from schemas.topics import Stream
from tests.bench.figures import Figure, number
from tests.bench.reading import Ends, Polled, Span, rate, read
from tests.bench.stage import Stage

DIGEST = "0" * 32
_case = msgspec.json.Decoder(CaseEvent).decode
_review = msgspec.json.Decoder(ReviewEvent).decode


def _service(record: ConsumerRecord) -> Row:
    event = _case(record.value)
    place = Place(record.topic, record.partition, record.offset)
    entry: Entry[Any] = Entry(event, str(event.event_id), DIGEST, event.received_at or event.served_at, place)
    settled = Settled(
        entry, entry.received_at, None, [], disputed=False, outcome=None, open_since=event.served_at
    )
    key = Key(event.case_no, event.service_no)
    return service_row(Change(Dossier(key, [entry]), new=True, settled=settled))


def _given(record: ConsumerRecord) -> Row:
    event = _review(record.value)
    place = Place(record.topic, record.partition, record.offset)
    at = event.received_at or event.submitted_at
    return review_row(Entry(event, str(event.event_id), DIGEST, at, place), effective=True)


class Writer:
    """Copies what `due` records bring, in batches, one transaction each."""

    def __init__(self, connection: Connection, case_topic: str, batch: int, due: int) -> None:
        self._connection, self._case_topic, self._batch, self._left = connection, case_topic, batch, due
        self._seen: set[bytes] = set()
        self._waiting: list[list[ConsumerRecord]] = []

    async def take(self, polled: Polled) -> None:
        """Write when there is a batch, or nothing more to come."""
        self._waiting += [records for records in polled.values() if records]
        self._left -= sum(map(len, polled.values()))
        if self._left <= 0 or sum(map(len, self._waiting)) >= self._batch:
            await asyncio.to_thread(self._write, self._waiting)
            self._waiting = []

    def _write(self, polled: Sequence[list[ConsumerRecord]]) -> None:
        cases = self._new(record for part in polled for record in part if record.topic == self._case_topic)
        given = self._new(record for part in polled for record in part if record.topic != self._case_topic)
        with self._connection.cursor() as cursor:
            copy_rows(cursor, tables.service, SERVICE_COLUMNS, map(_service, cases))
            copy_rows(cursor, tables.review, REVIEW_COLUMNS, map(_given, given))
            insert(cursor, tables.raw_block, [self._block(part) for part in polled])
        self._connection.commit()

    def _new(self, records: Iterator[ConsumerRecord]) -> Iterator[ConsumerRecord]:
        for record in records:
            if record.value not in self._seen:
                self._seen.add(record.value)
                yield record

    @staticmethod
    def _block(part: list[ConsumerRecord]) -> dict[str, Any]:
        first, last = part[0], part[-1]
        return {
            "topic": first.topic,
            "partition": first.partition,
            "topic_id": "",
            "first_offset": first.offset,
            "end_offset": last.offset + 1,
            "records": len(part),
            "data": pack((r.offset, r.timestamp, r.key, r.headers, r.value, False) for r in part),
        }


def _reader(settings: Settings, ends: Ends) -> Span:
    connection: Any = engine(settings.database, "floor").raw_connection().driver_connection
    batch, due = settings.worker.batch_records, sum(ends.values())
    writer = Writer(connection, settings.kafka.topic(Stream.CASE), batch, due)
    try:
        return asyncio.run(read(settings.kafka.bootstrap_servers, ends, writer.take))
    finally:
        connection.close()


def once(settings: Settings, processes: int) -> float:
    """Records a second over everything in the topics, from the first fetch to the last commit. Blocks."""
    return rate(settings.kafka, processes, partial(_reader, settings))


def measure(stage: Stage) -> Iterator[Figure]:
    """Two processes over the topics that the others read, each time into a fresh ledger."""
    backlog, values = stage.backlog, []
    for _ in stage.repetitions(3):
        with stage.system(backlog.prefix) as system:
            values.append(once(system.settings, 2))
    stage.say(f"floor: {', '.join(map(number, values))}")
    yield Figure(
        "floor, 2 proc.",
        "events/s",
        tuple(values),
        f"{backlog.records:,} events, read and copied, nothing decided",
    )
