"""From a portion to events: what is valid goes on, what is not becomes a dead letter with its reason."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from importlib.metadata import version
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec

from pipeline.edge import HEADER as EDGE
from pipeline.ledger.portion import (
    MOST_HEADERS,
    MOST_KEPT,
    Headers,
    Part,
    Portion,
    Record,
    Unreadable,
    as_bytes,
)
from pipeline.ledger.raw import RawFields, pack
from pipeline.ledger.received import Counted, judge
from pipeline.ledger.reviewers import ERASED, keep, names_erased
from pipeline.month_keys import KeyRingError
from pipeline.rules.fold import Arrival
from pipeline.rules.inspection import failed
from pipeline.rules.records import Entry, Place, key_of
from pipeline.sealing import KeyDestroyed, Sealer
from schemas.cloudevents import SENT_DIGEST
from schemas.codes import reason_flags
from schemas.events import CaseEvent, DecisionEvent, Event, Reason, ReviewEvent
from schemas.reading import Invalid, Received, claimed_by, parse, receive
from schemas.topics import Stream

VERSION = version("haochaping")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LATEST_MS = 253_402_214_400_000
"""The last day that Python's and PostgreSQL's times both have, in Unix milliseconds."""
MOST_AROUND = 64 * 1024
"""Bytes of key and headers together: what goes around a value of as many at most."""
_AROUND = "around"
"""Sealed about this, too: a value cannot be put in their place."""
_SHA256 = re.compile(b"[0-9a-f]{64}")
DIGEST = "hcp_digest"
"""Header of a raw record whose reviewer was erased: its digest from before, signed by us, for nothing else may say it."""
_BEFORE = "digest:"
_NOT_SIGNED = "a decision needs the signature of a component of ours: hcp case decide"
_KIND: dict[Stream, type[Event]] = {
    Stream.CASE: CaseEvent,
    Stream.REVIEW: ReviewEvent,
    Stream.DECISION: DecisionEvent,
}


@dataclass(slots=True)
class DeadLetter:
    """A record that could not be read. `value` is sealed whole, and so are key and headers: it may hold a phone number.

    `around`: key and headers. `parts`: of a record that is not kept as it was; then `value` is empty, and no `around` is
    there. `records`: how many offsets it stands for.
    """

    record: Record
    place: Place
    reason: str
    message: str
    value: bytes
    around: bytes | None = None
    parts: bytes | None = None
    records: int = 1


@dataclass(slots=True)
class Decoded:
    """A portion, read. `raw` is its block, of so many `records`; `skipped` counts tombstones.

    `stepped_over`: what was left out of it. `erased`: the erasures that it was read by (`Erasures.known`).
    """

    portion: Portion
    arrivals: list[Arrival]
    dead: list[DeadLetter]
    skipped: int
    raw: bytes
    records: int
    stepped_over: Mapping[int, str] = field(default_factory=dict)
    erased: frozenset[str] = frozenset()


def decode(
    portion: Portion,
    sealer: Sealer,
    stepped_over: Mapping[int, str] = MappingProxyType({}),
    signed_since: datetime = EPOCH,
) -> Decoded:
    """Read every record of a portion; raises nothing for a record's sake, KeyRingError while the months' keys are out of reach.

    A function of the records and the keys. Blocks when a month's key is looked up (`pipeline.month_keys`).

    `stepped_over`: offset → why a person had it left out. `signed_since`: of records that the log took before, a claimed
    time of receipt counts without a signature.
    """
    arrivals: list[Arrival] = []
    dead: list[DeadLetter] = []
    raw: list[RawFields] = []
    skipped = 0
    kind, erased = _KIND[portion.stream], sealer.erasures.known
    for record in portion.records:
        got = _read(kind, portion, record, sealer, stepped_over, signed_since)
        if got is None:
            skipped += 1
            raw.append((record.offset, record.timestamp, None, (), None, False))
        elif isinstance(got, DeadLetter):
            dead.append(got)
            raw.append((record.offset, record.timestamp, None, (), None, True, got.records))
        else:
            arrival, headers, value = got
            arrivals.append(arrival)
            raw.append((record.offset, record.timestamp, None, headers, value, False))
    records = len(arrivals) + skipped + sum(one.records for one in dead)
    return Decoded(portion, arrivals, dead, skipped, pack(raw), records, stepped_over, erased)


def _read(
    kind: type[Event],
    portion: Portion,
    record: Record,
    sealer: Sealer,
    stepped_over: Mapping[int, str],
    signed_since: datetime,
) -> tuple[Arrival, Headers, bytes] | DeadLetter | None:
    """A record's event, and the headers and bytes that may be kept of it; or its dead letter; None for a tombstone."""
    value = record.value
    if stepped_over and record.offset in stepped_over:
        return dead_letter(portion, record, Reason.STEPPED_OVER, stepped_over[record.offset], sealer)
    if value is None:
        return None
    if isinstance(value, Unreadable):
        return _unread(portion, record, value, sealer)
    try:
        return _arrive(kind, portion, record, value, sealer, signed_since)
    except Invalid as invalid:
        return dead_letter(portion, record, invalid.reason, invalid.message, sealer)
    except KeyRingError:
        raise
    except Exception as error:  # noqa: BLE001  a defect of ours must not hide the record: it is kept, and told
        return dead_letter(portion, record, Reason.FOLD_ERROR, type(error).__name__, sealer)


def dead_letter(portion: Portion, record: Record, reason: str, message: str, sealer: Sealer) -> DeadLetter:
    """This record, refused; with a beginning of each of its parts if it is longer than what is kept. Of one of a month whose
    key is destroyed, and of one that names an event whose identity was erased, length and digest are kept.
    """
    value = record.value
    if isinstance(value, Unreadable):
        return _unread(portion, record, Unreadable(reason, message, value.parts, value.records), sealer)
    if portion.stream is Stream.REVIEW and names_erased(value or b"", record.headers, sealer):
        bare = Unreadable(reason, message, {"value": Part.of(value or b"")}).without_data()
        return _unread(portion, record, bare, sealer)
    key, value = record.key or b"", value or b""
    if len(key) + len(value) + size_of(record.headers) > MOST_KEPT:
        wire = as_bytes(record.headers)
        parts = {"key": Part.of(key, 0), "value": Part.of(value, 0), "headers": Part.of(wire, 0)}
        return _unread(portion, record, Unreadable(reason, message, parts), sealer)
    place = Place(portion.topic, portion.partition, record.offset)
    about = place.topic, str(place.partition), str(place.offset)
    at = appended_at(record.timestamp)
    try:
        around = seal_around(record.key, record.headers, about, sealer, at)
        return DeadLetter(record, place, reason, message, sealer.seal(value, *about, at=at).encode(), around)
    except KeyDestroyed:
        return _unread(portion, record, Unreadable(reason, message, {"value": Part.of(value)}), sealer)


def seal_around(
    key: bytes | None, headers: Headers, about: tuple[str, str, str], sealer: Sealer, at: datetime
) -> bytes:
    """Key and headers of the record that lay at topic, partition and offset, readable only with the key of the month of `at`.

    Raises KeyDestroyed.
    """
    return sealer.seal(msgspec.msgpack.encode((key, headers)), *about, _AROUND, at=at).encode()


def open_around(sealed: bytes, about: tuple[str, str, str], sealer: Sealer) -> tuple[bytes | None, Headers]:
    """Key and headers again. Raises CannotOpen."""
    clear = sealer.open(sealed.decode(), *about, _AROUND)
    return msgspec.msgpack.decode(clear, type=tuple[bytes | None, Headers])


class KeptLetter(NamedTuple):
    """A dead letter as the ledger has it: sealed, see `DeadLetter`."""

    value: memoryview
    around: memoryview | None
    parts: memoryview | None
    reason: str
    message: str
    records: int


def open_letter(
    kept: KeptLetter, about: tuple[str, str, str], sealer: Sealer
) -> tuple[bytes | None, Headers, bytes | Unreadable]:
    """Key, headers and value of the record that lay there, as far as they are kept. Raises CannotOpen."""
    if kept.parts is not None:
        parts = sealer.open(bytes(kept.parts).decode(), *about)
        found = msgspec.msgpack.decode(parts, type=dict[str, Part])
        return None, (), Unreadable(kept.reason, kept.message, found, kept.records)
    value = sealer.open(bytes(kept.value).decode(), *about)
    if kept.around is None:
        return None, (), value
    return *open_around(bytes(kept.around), about, sealer), value


def size_of(headers: Headers) -> int:
    """Bytes of names and values."""
    return sum([len(name) + len(value or b"") for name, value in headers])


def _unread(portion: Portion, record: Record, found: Unreadable, sealer: Sealer) -> DeadLetter:
    place = Place(portion.topic, portion.partition, record.offset)
    about = place.topic, str(place.partition), str(place.offset)
    at: datetime | None = appended_at(record.timestamp)
    if portion.stream is Stream.REVIEW and any(
        names_erased(part.data, (), sealer) for part in found.parts.values()
    ):
        found = found.without_data()
    try:
        parts = sealer.seal(msgspec.msgpack.encode(found.parts), *about, at=at)
    except KeyDestroyed:
        found, at = found.without_data(), None
        parts = sealer.seal(msgspec.msgpack.encode(found.parts), *about)
    bare = Record(record.offset, record.timestamp, None, (), found)
    empty = sealer.seal(b"", *about, at=at).encode()
    return DeadLetter(bare, place, found.reason, found.message, empty, None, parts.encode(), found.records)


def _arrive(
    kind: type[Event],
    portion: Portion,
    record: Record,
    value: bytes,
    sealer: Sealer,
    signed_since: datetime,
) -> tuple[Arrival, Headers, bytes]:
    """The event of a record, and what may be kept of it: the headers that a replay needs, its bytes with the reviewer sealed."""
    ce_id, resent_at, edge, before, headers = _headers(record)
    parsed: tuple[Any, str] = parse(kind, value, ce_id)
    event, event_id = parsed
    claim, at = claimed_by(event, resent_at), appended_at(record.timestamp)
    if at < signed_since and kind is not DecisionEvent:  # no decision is older than signatures
        counted, edge = Counted(claim, "", ()), None
    else:
        vouched = None if edge is None else sealer.edge.verify(edge, portion.topic, event_id, value)
        counted = judge(vouched, claim, event.received_at, at, signed=edge is not None)
    if kind is DecisionEvent and not counted.sender:
        raise Invalid(Reason.NOT_SIGNED, _NOT_SIGNED)
    got: Received[Any] = receive(event, event_id, at, counted.received_at)
    digest = got.digest if before is None else _digest_before(before, portion.topic, got, value, sealer)
    flags, sent_digest, published = got.flags + counted.flags, None, value
    if kind is ReviewEvent:
        value, odd, more = keep(got.event, event_id, value, record.headers, at, sealer)
        flags += odd + reason_flags(tuple(got.event.reason_codes), got.event.satisfaction)
        if got.event.device_seq is not None:
            sent_digest = _sent_digest(record, published)
            more = *more, (SENT_DIGEST, sent_digest.encode())  # the value that is kept may be another
        headers = *more, *headers  # where a replay puts them again
    elif kind is CaseEvent:
        flags += failed(got.event)
    flags = _in_order(flags) if flags else ()
    place = Place(portion.topic, portion.partition, record.offset)
    entry = Entry(got.event, event_id, digest, got.received_at, place, flags, sent_digest, counted.sender)
    if edge is not None and (value is not published or counted.received_at is None):
        headers = _signed_as_kept(headers, portion.topic, event_id, counted, value, sealer)
    if ERASED in flags:
        headers = *headers, _with_digest(portion.topic, entry, value, sealer)
    return Arrival(key_of(got.event, event_id), entry), headers, value


@lru_cache(maxsize=1024)
def appended_at(timestamp: int) -> datetime:
    """All records that came to the log in one batch have one. A time that we cannot hold is the nearest that we can."""
    return EPOCH + timedelta(milliseconds=min(max(timestamp, 0), LATEST_MS))


@lru_cache(maxsize=4096)
def _in_order(flags: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted(flags))


def _with_digest(topic: str, entry: Entry[Any], kept: bytes, sealer: Sealer) -> tuple[str, bytes]:
    """The header that keeps the digest of an event whose reviewer was erased."""
    sender = _BEFORE + entry.digest
    return DIGEST, sealer.edge.sign(topic, entry.event_id, entry.received_at, sender, kept)[1]


def _digest_before(said: bytes, topic: str, got: Received[Any], value: bytes, sealer: Sealer) -> str:
    """The digest that an event had before its reviewer, whose mark is part of it, was erased."""
    vouched = sealer.edge.verify(said, topic, got.event_id, value)
    if vouched is None or not vouched.sender.startswith(_BEFORE):
        return got.digest
    return vouched.sender.removeprefix(_BEFORE)


def _headers(record: Record) -> tuple[str | None, str | None, bytes | None, bytes | None, Headers]:
    """`ce_id`, `hcp_received_at`, `hcp_edge` and `hcp_digest`, if they are there; the first three as they came: a replay needs
    no others.
    """
    if len(record.headers) > MOST_HEADERS:
        raise Invalid(Reason.TOO_LARGE, f"{len(record.headers)} headers, at most {MOST_HEADERS} are allowed")
    ce_id = resent_at = edge = before = None
    kept: dict[str, tuple[str, bytes]] = {}
    size = len(record.key or b"")
    for header in record.headers:
        name, value = header
        size += len(name)
        if value is None:
            continue
        size += len(value)
        if name == "ce_id":
            ce_id = _text(name, value)
        elif name == "hcp_received_at":
            resent_at = _text(name, value)
        elif name == EDGE:
            edge = value
        else:
            if name == DIGEST:
                before = value
            continue
        kept[name] = name, value
    if size > MOST_AROUND:
        raise Invalid(Reason.TOO_LARGE, f"key and headers are longer than {MOST_AROUND} bytes together")
    return ce_id, resent_at, edge, before, tuple(kept.values())


def _signed_as_kept(
    headers: Headers, topic: str, event_id: str, counted: Counted, kept: bytes, sealer: Sealer
) -> Headers:
    """The headers of a record whose body is not kept as it was published: a replay must judge it as it was judged here.

    So a signature that was valid is made again for the body as it is kept, and one that was not, which may be anything, is
    kept empty.
    """
    edge = EDGE, b""
    if counted.received_at is not None:
        edge = sealer.edge.sign(topic, event_id, counted.received_at, counted.sender, kept)
    return (*(header for header in headers if header[0] != EDGE), edge)


def _sent_digest(record: Record, value: bytes) -> str:
    """What the next event of the device must name as `device_prev`: of the JSON that it sent.

    The gateway changes a body (it seals the reviewer), so it says in a header what the digest was before.
    """
    told = [said for name, said in record.headers if name == SENT_DIGEST and said and _SHA256.fullmatch(said)]
    return told[0].decode() if told else sha256(value).hexdigest()


def _text(name: str, value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise Invalid(Reason.WRONG_TYPE, f"the header {name} is not UTF-8") from None
