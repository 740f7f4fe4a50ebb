"""The ceiling: aiokafka and msgspec into a dictionary, nothing stored. No worker on these clients can be faster."""

import asyncio
from collections.abc import Iterator
from functools import partial

import msgspec

from pipeline.settings import Kafka
from schemas.events import CaseEvent, ReviewEvent
from schemas.topics import Stream
from tests.bench.figures import Figure, number
from tests.bench.reading import Ends, Polled, Span, rate, read
from tests.bench.stage import Stage


def _reader(bootstrap: str, case_topic: str, ends: Ends) -> Span:
    decode = {True: msgspec.json.Decoder(CaseEvent).decode, False: msgspec.json.Decoder(ReviewEvent).decode}
    kept: dict[tuple[str, bytes], object] = {}

    async def take(polled: Polled) -> None:
        for at, records in polled.items():
            event = decode[at.topic == case_topic]
            for record in records:
                kept[at.topic, record.key] = event(record.value)

    return asyncio.run(read(bootstrap, ends, take))


def once(kafka: Kafka, processes: int) -> float:
    """Records a second over everything in the topics, from the first fetch to the last record. Blocks."""
    return rate(kafka, processes, partial(_reader, kafka.bootstrap_servers, kafka.topic(Stream.CASE)))


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
