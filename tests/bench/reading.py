"""Bare readers: processes that share the partitions of the input topics, and what they read a second.

The clock starts before the first fetch: what is fetched ahead would otherwise be free.
"""

import time
from collections.abc import Awaitable, Callable
from multiprocessing import get_context

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import ConsumerRecord

from pipeline.log import watermarks
from pipeline.settings import Kafka

AT_ONCE = 5_000
Ends = dict[tuple[str, int], int]
"""Where each partition of a share ends."""
Polled = dict[TopicPartition, list[ConsumerRecord]]
Span = tuple[float, float, int]
"""The machine's monotonic clock before the first and behind the last record, and how many there were."""


async def read(bootstrap: str, ends: Ends, take: Callable[[Polled], Awaitable[None]]) -> Span:
    """Hand everything in these partitions to `take`, poll by poll."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, auto_offset_reset="earliest", isolation_level="read_committed"
    )
    due, count = sum(ends.values()), 0
    await consumer.start()
    try:
        consumer.assign([TopicPartition(*at) for at in ends])
        began = time.monotonic()
        while count < due:
            polled = await consumer.getmany(timeout_ms=500, max_records=AT_ONCE)
            await take(polled)
            count += sum(map(len, polled.values()))
    finally:
        await consumer.stop()
    return began, time.monotonic(), count


def rate(kafka: Kafka, processes: int, reader: Callable[[Ends], Span]) -> float:
    """Records a second of so many processes over everything in the topics. `reader` is called in each. Blocks."""
    ends = {(mark.topic, mark.partition): mark.end for mark in watermarks(kafka)}
    shares = [{at: end for at, end in ends.items() if at[1] % processes == n} for n in range(processes)]
    with get_context("spawn").Pool(processes) as pool:
        spans = pool.map(reader, shares, chunksize=1)
    return sum(s[2] for s in spans) / (max(s[1] for s in spans) - min(s[0] for s in spans))
