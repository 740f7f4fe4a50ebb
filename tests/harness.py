"""What system tests share: events, a producer, worker processes, questions to the ledger."""

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec
from kafka import KafkaProducer
from sqlalchemy import Engine, text

from pipeline import log
from pipeline.edge import Edge
from pipeline.ledger.engine import engine
from pipeline.settings import Settings, environment
from schemas.identifiers import uuid7
from schemas.topics import INPUTS, Stream
from tests.wait import wait_for

RUN_WORKER = (
    "from pipeline.settings import load; from pipeline.worker.app import run; raise SystemExit(run(load()))"
)
HALVES = (Stream.CASE, Stream.REVIEW)
"""The topics of an ordinary pair."""
DEPT = "116103260000000101"


def now(**ago: float) -> str:
    """A time of the recent past, RFC 3339."""
    return (datetime.now(UTC) - timedelta(**ago)).isoformat()


def case(case_no: str, **fields: Any) -> dict[str, Any]:
    """A case event."""
    return {
        "event_id": str(uuid7()),
        "case_no": case_no,
        "status": "completed",
        "item_code": DEPT + "0" * 13,
        "dept_code": DEPT,
        "handling_mode": "offline",
        "served_at": now(minutes=5),
    } | fields


def decision(case_no: str, dept_code: str = DEPT, **fields: Any) -> dict[str, Any]:
    """What a person decided."""
    said = {"decided_by": "li", "why": "it served the citizen"}
    return {"event_id": str(uuid7()), "case_no": case_no, "dept_code": dept_code, **said} | fields


def review(case_no: str | None, satisfaction: int = 5, **fields: Any) -> dict[str, Any]:
    """A review event."""
    named = {} if case_no is None else {"case_no": case_no}
    return {
        "event_id": str(uuid7()),
        "satisfaction": satisfaction,
        "channel": "qr",
        "submitted_at": now(minutes=1),
        **named,
    } | fields


class _Claim(msgspec.Struct):
    event_id: str = ""
    received_at: datetime | None = None


_claim = msgspec.json.Decoder(_Claim).decode


def signature(edge: Edge, topic: str, value: bytes, sender: str = "/test") -> list[tuple[str, bytes]]:
    """The edge's header of an event that says when it was received; none of any other: that one is a foreign sender's."""
    try:
        said = _claim(value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return []
    if said.received_at is None:
        return []
    return [edge.sign(topic, said.event_id, said.received_at, sender, value)]


def stream_of(event: Mapping[str, Any]) -> Stream:
    """Where an event belongs."""
    if "satisfaction" in event:
        return Stream.REVIEW
    return Stream.DECISION if "decided_by" in event else Stream.CASE


class System:
    """A ledger, its topics, and what a test does with them."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.settings = settings
        self.folder = folder
        self.edge = Edge(settings.seal)
        self.ledger: Engine = engine(settings.database, "test")
        self._producer: KafkaProducer | None = None

    @property
    def producer(self) -> KafkaProducer:
        if self._producer is None:
            self._producer = log.producer(self.settings.kafka)
        return self._producer

    def send(
        self, *events: dict[str, Any], producer: KafkaProducer | None = None, signed: bool = True
    ) -> None:
        """Send events where they belong, by their key, and wait for the acknowledgement.

        What says when it was received is signed as our own producers' events are, unless it is not to be.
        """
        for event in events:
            stream = stream_of(event)
            key, value = str(event.get("case_no") or event["event_id"]), json.dumps(event).encode()
            headers = signature(self.edge, self.settings.kafka.topic(stream), value) if signed else ()
            self.send_raw(stream, value, key.encode(), dict(headers), producer=producer)

    def send_raw(
        self,
        stream: Stream,
        value: bytes | None,
        key: bytes = b"k",
        headers: Mapping[str, str | bytes] = MappingProxyType({}),
        partition: int | None = None,
        producer: KafkaProducer | None = None,
    ) -> None:
        """Send any bytes and wait for the acknowledgement."""
        pairs = [(name, said.encode() if isinstance(said, str) else said) for name, said in headers.items()]
        (producer or self.producer).send(
            self.settings.kafka.topic(stream), key=key, value=value, headers=pairs, partition=partition
        ).get(20)

    def ask(self, question: str, **parameters: Any) -> list[tuple[Any, ...]]:
        """Rows of a query."""
        with self.ledger.connect() as connection:
            return [tuple(row) for row in connection.execute(text(question), parameters)]

    def tell(self, command: str, **parameters: Any) -> None:
        """A statement, committed."""
        with self.ledger.begin() as connection:
            connection.execute(text(command), parameters)

    def one(self, question: str, **parameters: Any) -> Any:
        """The first column of the first row."""
        return self.ask(question, **parameters)[0][0]

    def begin_signatures(self, at: datetime) -> None:
        """From when on, by the log's clock, claims need a signature: for workers and replays that start after this."""
        self.tell("update office.epoch set at = :at where name = 'edge_signature'", at=at)

    def caught_up(self) -> bool:
        """Whether every position stands at its log's end."""
        ends = {(w.topic, w.partition): w.end for w in log.watermarks(self.settings.kafka, INPUTS)}
        positions = self.ask(
            "select topic, partition, next_offset from stream_position where retired_at is null"
        )
        return {(topic, partition): offset for topic, partition, offset in positions} == ends

    def wait_until_caught_up(self, seconds: float = 40) -> None:
        wait_for(self.caught_up, seconds, "the worker to catch up")

    def fates(self) -> dict[str, int]:
        """Records of each fate over all topics, zeros left out."""
        columns = ["stored", "duplicate", "conflict", "dead_letter", "skipped"]
        row = self.ask(
            f"select {', '.join(f'coalesce(sum({c}), 0)::int' for c in columns)} from stream_position"
        )[0]
        return {name: n for name, n in zip(columns, row, strict=True) if n}

    def counters(self, *names: str) -> dict[str, int]:
        """Sums of these counters, zeros left out."""
        row = self.ask(f"select {', '.join(f'coalesce(sum({n}), 0)::int' for n in names)} from counter")[0]
        return {name: n for name, n in zip(names, row, strict=True) if n}

    @contextmanager
    def worker(self, code: str = "", kill: bool = False) -> Iterator[subprocess.Popen[bytes]]:
        """A worker process; `code` runs in it first (a broken twin, an injected fault)."""
        script = textwrap.dedent(code) + "\n" + RUN_WORKER
        env = {name: value for name, value in os.environ.items() if not name.startswith("HCP_")}
        with (self.folder / "worker.log").open("ab") as out:
            process = subprocess.Popen(
                [sys.executable, "-c", script],
                stdout=out,
                stderr=out,
                env=env | environment(self.settings),
                cwd=self.folder,
            )
        try:
            yield process
        finally:
            process.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
            process.wait(30)

    def log_text(self) -> str:
        """What the workers said."""
        return (self.folder / "worker.log").read_text(errors="replace")

    def close(self) -> None:
        if self._producer is not None:
            self._producer.close()
        self.ledger.dispose()
