"""A dead letter as a record once more: to the topic it came from, with its key, its first time, and a link to the letter."""

import time
from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

import msgspec

from pipeline.ledger.dead_letters import Letter
from pipeline.ledger.decode import decode
from pipeline.ledger.portion import Portion, Record
from pipeline.sealing import Sealer
from pipeline.settings import Kafka
from producers.errors import DeadLetterError
from schemas.reading import EARLIEST
from schemas.topics import INPUTS, Stream

RECEIVED_AT = "hcp_received_at"
LINK = "hcp_dead_letter"
"""The header that says of which dead letter a record is the repetition: `topic/partition/offset`."""


class Outgoing(NamedTuple):
    """What is to be sent. `event_id` is None and `refusal` says why if today's reader does not accept it either."""

    stream: Stream
    key: bytes | None
    value: bytes
    headers: list[tuple[str, bytes]]
    event_id: str | None
    refusal: str


def outgoing(letter: Letter, value: bytes, kafka: Kafka, sealer: Sealer) -> Outgoing:
    """This letter with `value` as its bytes, judged as the worker will judge it. Raises DeadLetterError. Pure but for the clock."""
    stream = _stream(letter, kafka)
    headers = [
        *((name, said) for name, said in _said(letter) if name not in {RECEIVED_AT, LINK}),
        (RECEIVED_AT, first_received(letter, value).isoformat().encode()),
        (LINK, str(letter.name).encode()),
    ]
    event_id, refusal = _judge(letter, stream, value, headers, sealer)
    return Outgoing(stream, letter.key, value, headers, event_id, refusal)


def first_received(letter: Letter, value: bytes) -> datetime:
    """When we had it first: what an earlier repetition's header says, else the body, else when the log took it."""
    claims = [_time(said) for name, said in _said(letter) if name == RECEIVED_AT]
    for claim in (*claims, _body_time(value)):
        if claim is not None and EARLIEST <= claim <= letter.line.appended_at:
            return claim
    return letter.line.appended_at


def _stream(letter: Letter, kafka: Kafka) -> Stream:
    for stream in INPUTS:
        if kafka.topic(stream) == letter.name.topic:
            return stream
    raise DeadLetterError(
        f"{letter.name.topic} is no topic that the worker reads: see HCP_KAFKA__TOPIC_PREFIX"
    )


def _said(letter: Letter) -> Iterator[tuple[str, bytes]]:
    """Its headers. One without a value is left out: the client cannot send it, and the reader passes it over."""
    return ((name, value) for name, value in letter.headers if value is not None)


class _Claim(msgspec.Struct):
    received_at: str = ""


def _body_time(value: bytes) -> datetime | None:
    try:
        return _time(msgspec.json.decode(value, type=_Claim).received_at.encode())
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


def _time(text: bytes) -> datetime | None:
    try:
        at = msgspec.convert(text.decode(), datetime)
    except (msgspec.ValidationError, UnicodeDecodeError):
        return None
    return at if at.tzinfo else None


def _judge(
    letter: Letter, stream: Stream, value: bytes, headers: list[tuple[str, bytes]], sealer: Sealer
) -> tuple[str | None, str]:
    """The event's id, or reason and message of the refusal."""
    topic, partition, offset, _ = letter.name
    record = Record(offset, time.time_ns() // 1_000_000, letter.key, tuple(headers), value)
    read = decode(Portion(stream, topic, partition, offset, offset + 1, [record]), sealer)
    if read.dead:
        return None, f"{read.dead[0].reason}: {read.dead[0].message}"
    return read.arrivals[0].entry.event_id, ""
