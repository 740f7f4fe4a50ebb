"""From a portion to events: what is valid goes on, what is not becomes a dead letter with its reason."""

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
from pipeline.rules.fold import Arrival
from pipeline.rules.inspection import failed
from pipeline.rules.records import Entry, Place, key_of
from pipeline.sealing import CannotOpen, Sealer
from schemas.cloudevents import SENT_DIGEST
from schemas.codes import reason_flags
from schemas.events import CaseEvent, Reason, Reviewer, ReviewEvent
from schemas.reading import MAX_BYTES, Invalid, Received, read
from schemas.topics import Stream

VERSION = version("haochaping")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LATEST_MS = 253_402_214_400_000
"""The last day that Python's and PostgreSQL's times both have, in Unix milliseconds."""
MOST_AROUND = 64 * 1024
"""Bytes of key and headers together: what goes around a value of as many at most."""
_SEALED = re.compile(r"s1\.[0-9A-Za-z]+\.[0-9A-Za-z_-]{22,}")
_SHA256 = re.compile(b"[0-9a-f]{64}")
_KIND: dict[Stream, type[CaseEvent] | type[ReviewEvent]] = {
    Stream.CASE: CaseEvent,
    Stream.REVIEW: ReviewEvent,
}


@dataclass(slots=True)
class DeadLetter:
    """A record that could not be read. `value` is sealed whole: it may hold a phone number.

    `parts`: sealed as well, of a record that is not kept as it was; then `value` is empty, and so are key and headers.
    `records`: how many offsets it stands for.
    """

    record: Record
    place: Place
    reason: str
    message: str
    value: bytes
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
    portion: Portion, sealer: Sealer, stepped_over: Mapping[int, str] = MappingProxyType({})
) -> Decoded:
    """Read every record of a portion. Pure, does not block; raises nothing for a record's sake.

    `stepped_over`: offset → why a person had it left out.
    """
    arrivals: list[Arrival] = []
    dead: list[DeadLetter] = []
    raw: list[RawFields] = []
    skipped = 0
    kind = _KIND[portion.stream]
    for record in portion.records:
        got = _read(kind, portion, record, sealer, stepped_over)
        if got is None:
            skipped += 1
            raw.append((record.offset, record.timestamp, record.key, record.headers, None, False))
        elif isinstance(got, DeadLetter):
            dead.append(got)
            kept = got.record
            raw.append((kept.offset, kept.timestamp, kept.key, kept.headers, None, True, got.records))
        else:
            arrivals.append(got[0])
            raw.append((record.offset, record.timestamp, record.key, record.headers, got[1], False))
    records = len(arrivals) + skipped + sum(one.records for one in dead)
    return Decoded(portion, arrivals, dead, skipped, pack(raw), records)


def _read(
    kind: type[CaseEvent] | type[ReviewEvent],
    portion: Portion,
    record: Record,
    sealer: Sealer,
    stepped_over: Mapping[int, str],
) -> tuple[Arrival, bytes] | DeadLetter | None:
    """A record's event and the bytes that may be kept of it; or its dead letter; None for a tombstone."""
    value = record.value
    if stepped_over and record.offset in stepped_over:
        return dead_letter(portion, record, Reason.STEPPED_OVER, stepped_over[record.offset], sealer)
    if value is None:
        return None
    if isinstance(value, Unreadable):
        return _unread(portion, record, value, sealer)
    try:
        return _arrive(kind, portion, record, value, sealer)
    except Invalid as invalid:
        return dead_letter(portion, record, invalid.reason, invalid.message, sealer)
    except Exception as error:  # noqa: BLE001  a defect of ours must not hide the record: it is kept, and told
        return dead_letter(portion, record, Reason.FOLD_ERROR, type(error).__name__, sealer)


def dead_letter(portion: Portion, record: Record, reason: str, message: str, sealer: Sealer) -> DeadLetter:
    """This record, refused; with a beginning of each of its parts if it is longer than what is kept."""
    value = record.value
    if isinstance(value, Unreadable):
        return _unread(portion, record, Unreadable(reason, message, value.parts, value.records), sealer)
    key, value = record.key or b"", value or b""
    if len(key) + len(value) + size_of(record.headers) > MOST_KEPT:
        wire = as_bytes(record.headers)
        parts = {"key": Part.of(key, 0), "value": Part.of(value, 0), "headers": Part.of(wire, 0)}
        return _unread(portion, record, Unreadable(reason, message, parts), sealer)
    place = Place(portion.topic, portion.partition, record.offset)
    sealed = sealer.seal(value, place.topic, str(place.partition), str(place.offset)).encode()
    return DeadLetter(record, place, reason, message, sealed)


def size_of(headers: Headers) -> int:
    """Bytes of names and values."""
    return sum([len(name) + len(value or b"") for name, value in headers])


def _unread(portion: Portion, record: Record, found: Unreadable, sealer: Sealer) -> DeadLetter:
    place = Place(portion.topic, portion.partition, record.offset)
    about = place.topic, str(place.partition), str(place.offset)
    parts = sealer.seal(msgspec.msgpack.encode(found.parts), *about).encode()
    bare = Record(record.offset, record.timestamp, None, (), found)
    return DeadLetter(
        bare, place, found.reason, found.message, sealer.seal(b"", *about).encode(), parts, found.records
    )


def _arrive(
    kind: type[CaseEvent] | type[ReviewEvent], portion: Portion, record: Record, value: bytes, sealer: Sealer
) -> tuple[Arrival, bytes]:
    """The event of a record, and its bytes as they may be kept: with the reviewer sealed."""
    if record.headers or len(record.key or b"") > MOST_AROUND:
        _check_size(record)
    ce_id, resent_at = _headers(record) if record.headers else (None, None)
    got: Received[Any] = read(kind, value, appended_at(record.timestamp), ce_id, resent_at)
    flags, sent_digest = got.flags, None
    if kind is ReviewEvent:
        if got.event.device_seq is not None:
            sent_digest = _sent_digest(record, value)
        value = _seal_reviewer(got.event, got.event_id, value, sealer)
        if got.event.reason_codes:
            odd = reason_flags(tuple(got.event.reason_codes), got.event.satisfaction)
            flags = _in_order(flags + odd) if odd else flags
    elif wrong := failed(got.event):
        flags = _in_order(flags + wrong)
    place = Place(portion.topic, portion.partition, record.offset)
    entry = Entry(got.event, got.event_id, got.digest, got.received_at, place, flags, sent_digest)
    return Arrival(key_of(got.event, got.event_id), entry), value


def _check_size(record: Record) -> None:
    if len(record.headers) > MOST_HEADERS:
        raise Invalid(Reason.TOO_LARGE, f"{len(record.headers)} headers, at most {MOST_HEADERS} are allowed")
    if len(record.key or b"") + size_of(record.headers) > MOST_AROUND:
        raise Invalid(Reason.TOO_LARGE, f"key and headers are longer than {MOST_AROUND} bytes together")


@lru_cache(maxsize=1024)
def appended_at(timestamp: int) -> datetime:
    """All records that came to the log in one batch have one. A time that we cannot hold is the nearest that we can."""
    return EPOCH + timedelta(milliseconds=min(max(timestamp, 0), LATEST_MS))


@lru_cache(maxsize=4096)
def _in_order(flags: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted(flags))


def _headers(record: Record) -> tuple[str | None, str | None]:
    """`ce_id` and `hcp_received_at`, if they are there."""
    ce_id = resent_at = None
    for name, value in record.headers:
        if name == "ce_id" and value is not None:
            ce_id = _text(name, value)
        elif name == "hcp_received_at" and value is not None:
            resent_at = _text(name, value)
    return ce_id, resent_at


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


def _seal_reviewer(event: ReviewEvent, event_id: str, value: bytes, sealer: Sealer) -> bytes:
    """Seal what a foreign sender left open; a clear copy is never stored.

    What is stored is read again by a replay, so it must be valid, and a seal must give the mark that the open identity gave.
    """
    reviewer = event.reviewer
    if reviewer is None:
        return value
    if isinstance(reviewer, str) and _SEALED.fullmatch(reviewer):
        if not event.reviewer_mark:
            event.reviewer_mark = _mark(event_id, reviewer, sealer)
        return value
    if isinstance(reviewer, str):
        reviewer = Reviewer(name=reviewer)
    event.reviewer = sealer.seal_reviewer(event_id, reviewer.name, reviewer.phone, reviewer.id_number)
    if not event.reviewer_mark:
        event.reviewer_mark = sealer.mark_of(reviewer)
    body: dict[str, Any] = msgspec.json.decode(value)
    sealed = msgspec.json.encode(body | {"reviewer": event.reviewer})
    if len(sealed) > MAX_BYTES:
        raise Invalid(
            Reason.TOO_LARGE, f"{len(sealed)} bytes with the reviewer sealed, at most {MAX_BYTES} are allowed"
        )
    return sealed


def _mark(event_id: str, sealed: str, sealer: Sealer) -> str:
    """The mark of a sealed identity; none if it is not ours to open."""
    try:
        reviewer = sealer.open_reviewer(event_id, sealed)
    except (CannotOpen, msgspec.MsgspecError):
        return ""
    return sealer.mark_of(reviewer)


Decoder = Callable[[Portion], Decoded]
