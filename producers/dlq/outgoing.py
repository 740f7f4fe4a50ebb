"""A dead letter as a record once more: to the topic it came from, with its key, the time that counted, and a link to the letter."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from pipeline.edge import HEADER as EDGE
from pipeline.edge import Vouched
from pipeline.ledger.dead_letters import Letter
from pipeline.ledger.decode import decode
from pipeline.ledger.portion import Portion, Record
from pipeline.ledger.received import judge
from pipeline.sealing import Sealer
from pipeline.settings import Kafka
from producers.errors import DeadLetterError
from schemas.reading import EARLIEST, MOST_ID, clean_text
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


def outgoing(letter: Letter, value: bytes, first: Vouched, kafka: Kafka, sealer: Sealer) -> Outgoing:
    """This letter with `value` as its bytes, signed with its `first` time and sender, judged as the worker will judge it.

    Raises DeadLetterError. Pure but for the clock.
    """
    stream = _stream(letter, kafka)
    event_id = _event_id(letter, value)
    headers = [
        *((name, said) for name, said in _said(letter) if name not in {RECEIVED_AT, LINK, EDGE}),
        (RECEIVED_AT, first.received_at.isoformat().encode()),
        (LINK, str(letter.name).encode()),
        sealer.edge.sign(letter.name.topic, event_id, first.received_at, first.sender, value),
    ]
    read_id, refusal = _judge(letter, stream, value, headers, sealer)
    return Outgoing(stream, letter.key, value, headers, read_id, refusal)


def first_received(letter: Letter, clear: bytes, sealer: Sealer, signed_since: datetime) -> Vouched:
    """When we had a letter first, and from whom: what would have counted of it. `clear`: its bytes as they came.

    What an earlier repetition's header says, else the body, else when the log took it. A claim counts only if our edge signed
    it, or the log took it before `signed_since`.
    """
    appended_at, own = letter.line.appended_at, _time(_body(clear).received_at.encode())
    said = [_time(said) for name, said in _said(letter) if name == RECEIVED_AT]
    claims, sender = [*said, own], ""
    if appended_at >= signed_since or letter.name.topic.endswith(Stream.DECISION):
        edge = dict(_said(letter)).get(EDGE)
        event_id = _event_id(letter, clear)
        vouched = None if edge is None else sealer.edge.verify(edge, letter.name.topic, event_id, clear)
        counted = judge(vouched, said[-1] if said else own, own, appended_at, signed=edge is not None)
        claims, sender = [counted.received_at], counted.sender
    for claim in claims:
        if claim is not None and EARLIEST <= claim <= appended_at:
            return Vouched(sender, claim.astimezone(UTC))
    return Vouched(sender, appended_at)


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


class _Body(msgspec.Struct):
    event_id: str = ""
    received_at: str = ""


def _body(value: bytes) -> _Body:
    """What it says of itself; nothing if it cannot be read."""
    try:
        return msgspec.json.decode(value, type=_Body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return _Body()


def _event_id(letter: Letter, value: bytes) -> str:
    """By which a signature knows it: the body's, else the header's, as the reader cleans them; empty if it has none."""
    named = _body(value).event_id or dict(_said(letter)).get("ce_id", b"").decode("utf-8", "replace")
    return clean_text(named) if len(named) <= MOST_ID else ""


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
