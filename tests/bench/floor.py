"""The floor: what reading the log and writing the ledger's rows cost alone. No fold that keeps these rows can be faster.

Records are read as the contract's structs and copied into the ledger's two large tables, batch by batch, with their raw
blocks: nothing is checked, joined, counted or decided, no position is kept, a record that came before is passed over.
"""

import asyncio
import time
from collections.abc import Iterator, Sequence
from functools import partial
from multiprocessing import get_context
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import ConsumerRecord
from psycopg2.extensions import connection as Connection

from pipeline.ledger import tables
from pipeline.ledger.copying import Row, copy_rows, insert
from pipeline.ledger.engine import engine
from pipeline.ledger.raw import pack
from pipeline.ledger.rows import REVIEW_COLUMNS, SERVICE_COLUMNS, review_row, service_row
from pipeline.log import watermarks
from pipeline.rules.fold import Change
from pipeline.rules.records import Dossier, Entry, Key, Place
from pipeline.rules.settle import Settled
from pipeline.settings import Settings
from schemas.events import CaseEvent, ReviewEvent
from schemas.topics import Stream
from tests.bench.ceiling import AT_ONCE, Span
from tests.bench.figures import Figure, number
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
    """Copies batches of records, one transaction each."""

    def __init__(self, connection: Connection, case_topic: str) -> None:
        self._connection, self._case_topic = connection, case_topic
        self._seen: set[bytes] = set()

    def write(self, polled: Sequence[list[ConsumerRecord]]) -> None:
        """Blocks."""
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


async def _copy(settings: Settings, ends: dict[tuple[str, int], int]) -> Span:
    pool = engine(settings.database, "floor")
    connection: Any = pool.raw_connection().driver_connection
    writer = Writer(connection, settings.kafka.topic(Stream.CASE))
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka.bootstrap_servers,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
    )
    due, count, waiting = sum(ends.values()), 0, list[list[ConsumerRecord]]()
    await consumer.start()
    try:
        consumer.assign([TopicPartition(*at) for at in ends])
        began = time.monotonic()
        while count < due:
            polled = await consumer.getmany(timeout_ms=500, max_records=AT_ONCE)
            waiting += [records for records in polled.values() if records]
            count += sum(map(len, polled.values()))
            if count >= due or sum(map(len, waiting)) >= settings.worker.batch_records:
                await asyncio.to_thread(writer.write, waiting)
                waiting = []
    finally:
        await consumer.stop()
    connection.close()
    return began, time.monotonic(), count


def _process(settings: Settings, ends: dict[tuple[str, int], int]) -> Span:
    return asyncio.run(_copy(settings, ends))


def once(settings: Settings, processes: int) -> float:
    """Records a second over everything in the topics, from the first fetch to the last commit. Blocks."""
    ends = {(mark.topic, mark.partition): mark.end for mark in watermarks(settings.kafka)}
    shares = [{at: end for at, end in ends.items() if at[1] % processes == n} for n in range(processes)]
    with get_context("spawn").Pool(processes) as pool:
        spans = pool.map(partial(_process, settings), shares, chunksize=1)
    return sum(s[2] for s in spans) / (max(s[1] for s in spans) - min(s[0] for s in spans))


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
