"""From a portion to events: what is valid goes on, what is not becomes a dead letter with its reason."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from importlib.metadata import version
from types import MappingProxyType
from typing import Any

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
from pipeline.month_keys import KeyRingError
from pipeline.rules.fold import Arrival
from pipeline.rules.inspection import failed
from pipeline.rules.records import Entry, Place, key_of
from pipeline.sealing import CannotOpen, KeyDestroyed, Sealer
from schemas.cloudevents import SENT_DIGEST
from schemas.codes import reason_flags
from schemas.events import CaseEvent, DecisionEvent, Event, Reason, Reviewer, ReviewEvent
from schemas.reading import MAX_BYTES, Invalid, Received, claimed_by, parse, receive
from schemas.topics import Stream

VERSION = version("haochaping")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LATEST_MS = 253_402_214_400_000
"""The last day that Python's and PostgreSQL's times both have, in Unix milliseconds."""
MOST_AROUND = 64 * 1024
"""Bytes of key and headers together: what goes around a value of as many at most."""
_BACKSLASH = 0x5C
_AROUND = "around"
"""Sealed about this, too: a value cannot be put in their place."""
_SEALED = re.compile(r"s1\.[0-9A-Za-z]+\.[0-9A-Za-z_-]{22,}")
_SHA256 = re.compile(b"[0-9a-f]{64}")
MARK = "hcp_reviewer_mark"
"""Header of a raw record: the mark that the fold made of its reviewer. A replay has it also when the key is destroyed."""
_MARK = re.compile(b"[0-9a-f]{32}")
EXPIRED = "identity_expired"
"""Flags a review whose reviewer was dropped: it came open, and the key of the month in which the log took it is destroyed."""
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
    """A portion, read. `raw` is its block, of so many `records`; `skipped` counts tombstones."""

    portion: Portion
    arrivals: list[Arrival]
    dead: list[DeadLetter]
    skipped: int
    raw: bytes
    records: int


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
    kind = _KIND[portion.stream]
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
    return Decoded(portion, arrivals, dead, skipped, pack(raw), records)


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
    key is destroyed length and digest are kept.
    """
    value = record.value
    if isinstance(value, Unreadable):
        return _unread(portion, record, Unreadable(reason, message, value.parts, value.records), sealer)
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


def size_of(headers: Headers) -> int:
    """Bytes of names and values."""
    return sum([len(name) + len(value or b"") for name, value in headers])


def _unread(portion: Portion, record: Record, found: Unreadable, sealer: Sealer) -> DeadLetter:
    place = Place(portion.topic, portion.partition, record.offset)
    about = place.topic, str(place.partition), str(place.offset)
    at: datetime | None = appended_at(record.timestamp)
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
    ce_id, resent_at, edge, headers = _headers(record)
    parsed: tuple[Any, str] = parse(kind, value, ce_id)
    event, event_id = parsed
    claim, at = claimed_by(event, resent_at), appended_at(record.timestamp)
    if at < signed_since:
        counted, edge = Counted(claim, "", ()), None
    else:
        vouched = None if edge is None else sealer.edge.verify(edge, portion.topic, event_id, value)
        counted = judge(vouched, claim, event.received_at, at, signed=edge is not None)
    got: Received[Any] = receive(event, event_id, at, counted.received_at)
    flags, sent_digest, published = got.flags, None, value
    if counted.flags:
        flags = _in_order(flags + counted.flags)
    if kind is DecisionEvent and not counted.sender:
        raise Invalid(
            Reason.NOT_SIGNED, "a decision needs the signature of a component of ours: hcp case decide"
        )
    if kind is ReviewEvent:
        if got.event.device_seq is not None:
            sent_digest = _sent_digest(record, value)
            headers = *headers, (SENT_DIGEST, sent_digest.encode())  # the value that is kept may be another
        told = got.event.reviewer, got.event.reviewer_mark
        value = _seal_reviewer(got.event, got.event_id, value, sealer, record)
        flags, headers = _of_reviewer(got.event, told, flags, headers)
        if got.event.reason_codes:
            odd = reason_flags(tuple(got.event.reason_codes), got.event.satisfaction)
            flags = _in_order(flags + odd) if odd else flags
    elif kind is CaseEvent and (wrong := failed(got.event)):
        flags = _in_order(flags + wrong)
    place = Place(portion.topic, portion.partition, record.offset)
    entry = Entry(got.event, event_id, got.digest, got.received_at, place, flags, sent_digest, counted.sender)
    if edge is not None and (value is not published or counted.received_at is None):
        headers = _signed_as_kept(headers, portion.topic, event_id, counted, value, sealer)
    return Arrival(key_of(got.event, event_id), entry), headers, value


@lru_cache(maxsize=1024)
def appended_at(timestamp: int) -> datetime:
    """All records that came to the log in one batch have one. A time that we cannot hold is the nearest that we can."""
    return EPOCH + timedelta(milliseconds=min(max(timestamp, 0), LATEST_MS))


@lru_cache(maxsize=4096)
def _in_order(flags: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted(flags))


def _headers(record: Record) -> tuple[str | None, str | None, bytes | None, Headers]:
    """`ce_id`, `hcp_received_at` and `hcp_edge`, if they are there, and these as they came: a replay needs no others."""
    if len(record.headers) > MOST_HEADERS:
        raise Invalid(Reason.TOO_LARGE, f"{len(record.headers)} headers, at most {MOST_HEADERS} are allowed")
    ce_id = resent_at = edge = None
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
            continue
        kept[name] = name, value
    if size > MOST_AROUND:
        raise Invalid(Reason.TOO_LARGE, f"key and headers are longer than {MOST_AROUND} bytes together")
    return ce_id, resent_at, edge, tuple(kept.values())


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


def _seal_reviewer(event: ReviewEvent, event_id: str, value: bytes, sealer: Sealer, record: Record) -> bytes:
    """Seal what a foreign sender left open; a clear copy is never stored. If the month's key is destroyed, drop it.

    What is stored is read again by a replay, so it must be valid, and a seal must give the mark that the open identity gave.
    """
    reviewer = event.reviewer
    if reviewer is None:
        return _without_repeats(value)
    if isinstance(reviewer, str) and _SEALED.fullmatch(reviewer):
        if not event.reviewer_mark:
            event.reviewer_mark = _mark(event_id, reviewer, sealer) or _told_mark(record)
        return _without_repeats(value)
    if isinstance(reviewer, str):
        reviewer = Reviewer(name=reviewer)
    at = appended_at(record.timestamp)
    try:
        event.reviewer = sealer.seal_reviewer(
            event_id, reviewer.name, reviewer.phone, reviewer.id_number, at=at
        )
    except KeyDestroyed:
        event.reviewer = None
        return _written_anew(value, {"reviewer": {}})  # somebody was named: a replay drops and flags it again
    if not event.reviewer_mark:
        event.reviewer_mark = sealer.mark_of(reviewer)
    return _written_anew(value, {"reviewer": event.reviewer})


def _of_reviewer(
    event: ReviewEvent, told: tuple[Reviewer | str | None, str], flags: tuple[str, ...], headers: Headers
) -> tuple[tuple[str, ...], Headers]:
    """Flags and headers, with what became of the reviewer and the mark that were `told`."""
    reviewer, mark = told
    if reviewer is None:
        return flags, headers
    if event.reviewer is None:
        return _in_order((*flags, EXPIRED)), headers
    if event.reviewer_mark != mark:  # ours, and not in the body; first, where a replay puts it again
        headers = (MARK, event.reviewer_mark.encode()), *headers
    return flags, headers


def _told_mark(record: Record) -> str:
    """The mark of a sealed identity that does not open any more, as the fold made it when it did."""
    told = [said for name, said in record.headers if name == MARK and said and _MARK.fullmatch(said)]
    return told[0].decode() if told else ""


def _may_repeat(value: bytes) -> bool:
    """Whether an identity may stand in this JSON under a key that comes again, perhaps escaped."""
    return value.count(b'"reviewer"') > 1 or (_BACKSLASH in value and b"\\u00" in value)


def _without_repeats(value: bytes) -> bytes:
    """This JSON without what stands in it under a key that comes again: the last one counts, the first may be in clear."""
    if not _may_repeat(value):
        return value
    repeated = False

    def note(pairs: list[tuple[str, Any]]) -> None:
        nonlocal repeated
        repeated = repeated or len(dict(pairs)) < len(pairs)

    json.loads(value, object_pairs_hook=note, parse_int=float)
    return _written_anew(value, {}) if repeated else value


def _written_anew(value: bytes, other: dict[str, Any]) -> bytes:
    """This JSON object with each key once, and `other` fields of it."""
    body: dict[str, Any] = msgspec.json.decode(value)
    written = msgspec.json.encode(body | other)
    if len(written) > MAX_BYTES:
        raise Invalid(
            Reason.TOO_LARGE,
            f"{len(written)} bytes with the reviewer sealed, at most {MAX_BYTES} are allowed",
        )
    return written


def _mark(event_id: str, sealed: str, sealer: Sealer) -> str:
    """The mark of a sealed identity; none if it is not ours to open."""
    try:
        reviewer = sealer.open_reviewer(event_id, sealed)
    except (CannotOpen, msgspec.MsgspecError):
        return ""
    return sealer.mark_of(reviewer)


Decoder = Callable[[Portion], Decoded]
