"""The ceiling: aiokafka and msgspec into a dictionary, nothing stored. No worker on these clients can be faster.

The clock starts before the first fetch: what is fetched ahead would otherwise be free.
"""

import asyncio
import time
from collections.abc import Iterator
from functools import partial
from multiprocessing import get_context

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from pipeline.log import watermarks
from pipeline.settings import Kafka
from schemas.events import CaseEvent, ReviewEvent
from schemas.topics import Stream
from tests.bench.figures import Figure, number
from tests.bench.stage import Stage

AT_ONCE = 5_000
Span = tuple[float, float, int]
"""The machine's monotonic clock before the first and behind the last record, and how many there were."""


async def _read(bootstrap: str, ends: dict[tuple[str, int], int], case_topic: str) -> Span:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, auto_offset_reset="earliest", isolation_level="read_committed"
    )
    decode = {True: msgspec.json.Decoder(CaseEvent).decode, False: msgspec.json.Decoder(ReviewEvent).decode}
    kept: dict[tuple[str, bytes], object] = {}
    due, count = sum(ends.values()), 0
    await consumer.start()
    try:
        consumer.assign([TopicPartition(*at) for at in ends])
        began = time.monotonic()
        while count < due:
            polled = await consumer.getmany(timeout_ms=500, max_records=AT_ONCE)
            for at, records in polled.items():
                read = decode[at.topic == case_topic]
                for record in records:
                    kept[at.topic, record.key] = read(record.value)
                count += len(records)
    finally:
        await consumer.stop()
    return began, time.monotonic(), count


def _reader(bootstrap: str, case_topic: str, ends: dict[tuple[str, int], int]) -> Span:
    return asyncio.run(_read(bootstrap, ends, case_topic))


def once(kafka: Kafka, processes: int) -> float:
    """Records a second over everything in the topics, from the first fetch to the last record. Blocks."""
    ends = {(mark.topic, mark.partition): mark.end for mark in watermarks(kafka)}
    shares = [
        {at: end for at, end in ends.items() if at[1] % processes == number_} for number_ in range(processes)
    ]
    reader = partial(_reader, kafka.bootstrap_servers, kafka.topic(Stream.CASE))
    with get_context("spawn").Pool(processes) as pool:
        spans = pool.map(reader, shares, chunksize=1)
    seconds = max(span[1] for span in spans) - min(span[0] for span in spans)
    return sum(span[2] for span in spans) / seconds


def measure(stage: Stage) -> Iterator[Figure]:
    """One process and two, over the same topics."""
    backlog = stage.backlog
    kafka = stage.settings(backlog.prefix).kafka
    for processes in (1, 2):
        values = tuple(once(kafka, processes) for _ in stage.repetitions(3))
        stage.say(f"ceiling, {processes}: {', '.join(map(number, values))}")
        yield Figure(
            f"ceiling, {processes} proc.", "events/s", values, f"{backlog.records:,} events, nothing stored"
        )
