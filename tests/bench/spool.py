"""The spool: appends that wait for the disk, from one caller and from many; and how fast it is emptied, into nothing and into Kafka."""

import json
import threading
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

from pipeline.edge import Edge
from pipeline.log import declare_topics, watermarks
from producers.spool.kafka_sink import KafkaSink
from producers.spool.record import Record, Row
from producers.spool.sink import Sink
from producers.spool.spool import Spool
from schemas.cloudevents import cloud_headers
from schemas.identifiers import uuid7
from schemas.topics import Stream
from tests.bench.figures import Figure, Wrong, number, percentile
from tests.bench.stage import Stage
from tests.harness import review

CALLERS = (1, 64)
ROWS, QUICK_ROWS = 40_000, 8_000
MAX_BYTES = 2**30


class Nowhere:
    """A sink that acknowledges at once: what remains is the spool's own work."""

    most_rows, most_bytes = KafkaSink.most_rows, KafkaSink.most_bytes

    def send(self, rows: Sequence[Row]) -> None: ...

    def close(self) -> None: ...


def record(number_: int) -> Record:
    """A review, as the gateway keeps it."""
    event = review(f"case-{number_}", comment="办事很快，窗口的同志很有耐心，谢谢。", window_code="W-017")
    event_id, key = str(uuid7()), event["case_no"]
    headers = cloud_headers(event_id, Stream.REVIEW, "/terminal/t-017", event["submitted_at"], key)
    value = json.dumps(event, ensure_ascii=False).encode()
    return Record(event_id, "d" * 64, Stream.REVIEW.value, key.encode(), list(headers.items()), value)


def append(spool: Spool, records: Sequence[Record], callers: int) -> list[float]:
    """Append them, each caller the next when the last is on disk; returns the seconds that each append took. Blocks."""
    took: list[float] = []
    waiting = iter(records)
    turn = threading.Lock()

    def run() -> None:
        while True:
            with turn:
                mine = next(waiting, None)
            if mine is None:
                return
            began = time.perf_counter()
            spool.append(mine, nonce=mine.event_id).result()
            took.append(time.perf_counter() - began)

    threads = [threading.Thread(target=run) for _ in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return took


def drain(spool: Spool, sink: Sink) -> float:
    """Rows a second until nothing waits. Blocks."""
    began, count = time.perf_counter(), 0
    while rows := spool.pending(sink.most_rows, sink.most_bytes):
        sink.send(rows)
        spool.mark_sent(rows)
        count += len(rows)
    return count / (time.perf_counter() - began)


def appends(folder: Path, count: int, callers: int) -> tuple[float, list[float]]:
    """Appends a second and the seconds of each, into a fresh spool. Raises Wrong if a row is not there afterwards."""
    records = [record(n) for n in range(count)]
    with Spool(folder, max_bytes=MAX_BYTES, keep_sent=timedelta(days=1)) as spool:
        began = time.perf_counter()
        took = append(spool, records, callers)
        seconds = time.perf_counter() - began
    with Spool(folder, max_bytes=MAX_BYTES, keep_sent=timedelta(days=1)) as spool:
        if (there := spool.stats().pending) != count:
            raise Wrong(f"{there} of {count} rows are there")
    return count / seconds, took


def measure(stage: Stage) -> Iterator[Figure]:
    """Appends by each number of callers, then what they left behind is forwarded, twice."""
    count = QUICK_ROWS if stage.quick else ROWS
    folders = []
    for callers in CALLERS:
        rates, took = [], []
        for n in stage.repetitions(3):
            folders.append(stage.folder / f"spool-{callers}-{n}")
            rate, seconds = appends(folders[-1], count, callers)
            rates.append(rate)
            took += seconds
        stage.say(f"spool, {callers}: {', '.join(map(number, rates))}")
        p50, p99 = (1000 * percentile(took, share) for share in (0.5, 0.99))
        note = f"{count:,} rows, each on disk; p50 {number(p50)} ms, p99 {number(p99)} ms"
        name = f"spool, {callers} caller{'s' if callers > 1 else ''}"
        yield Figure(name, "appends/s", tuple(rates), note, details={"p50_ms": p50, "p99_ms": p99})
    yield from forwarding(stage, folders, count)


def forwarding(stage: Stage, folders: Sequence[Path], count: int) -> Iterator[Figure]:
    """The spools in these folders emptied, first into nothing, then the same rows into Kafka."""
    settings = stage.settings(stage.prefix())
    kafka = settings.kafka
    declare_topics(kafka)
    nowhere, into_kafka = [], []
    for folder in folders[: len(stage.repetitions(3))]:
        sink = KafkaSink(kafka, Edge(settings.seal))
        with Spool(folder, max_bytes=MAX_BYTES, keep_sent=timedelta(days=1)) as spool:
            began = spool.pending(1)[0].received_at
            nowhere.append(drain(spool, Nowhere()))
            spool.resend(began)
            into_kafka.append(drain(spool, sink))
        sink.close()
    arrived = sum(mark.end - mark.start for mark in watermarks(kafka))
    if arrived != count * len(into_kafka):
        raise Wrong(f"{arrived} records in the log, {count * len(into_kafka)} were sent")
    yield Figure("spool, forwarding", "rows/s", tuple(nowhere), "to nobody: the spool's own work")
    yield Figure(
        "spool, forwarding to Kafka", "rows/s", tuple(into_kafka), "acknowledged by the broker beside it"
    )
