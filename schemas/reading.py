"""From a record's bytes to an event, or to the reason why not (`contract.md`).

The worker reads records with it, producers check events with it before they send: one contract, one reader.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any, Generic, TypeVar

import msgspec

from schemas.events import MOST_DEVICE_SEQ, CaseEvent, DecisionEvent, Event, Reason, ReviewEvent
from schemas.normalizing import nfc

MAX_BYTES = 64 * 1024
MOST_ID = 256
"""Characters of an event's id outside its body (the header `ce_id`, a URL) before it is cleaned."""
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
FARTHEST = timedelta(hours=16)
"""RFC 3339 has offsets to 23:59, PostgreSQL none of so much: a time with such a one is kept in UTC, the same instant."""
IN_FUTURE = "received_in_future"
"""Flags a record that claims to have been received after the log took it."""
AHEAD = timedelta(days=1)
"""How far a sender's clock may run ahead of the time its record was received."""

MOST_OLD_SEQ = 2**63 - 1
"""The greatest `device_seq` of records that are older than its bound, and the greatest that the ledger can hold."""

E = TypeVar("E", CaseEvent, ReviewEvent, DecisionEvent)


class Invalid(ValueError):
    """A record that is no event. `message` names field and rule, never a value: it may be a phone number."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason = reason
        self.message = message


class Received(msgspec.Struct, Generic[E], frozen=True, gc=False):
    """A valid event and what the ledger needs of its record.

    (`event_id`, `digest`) tells one event from another under the same natural key. `flags` says what is odd.
    """

    event: E
    event_id: str
    digest: str
    received_at: datetime
    flags: tuple[str, ...]


def read(
    kind: type[E], value: bytes, appended_at: datetime, ce_id: str | None = None, resent_at: str | None = None
) -> Received[E]:
    """The event in `value`, checked against the contract; its claim about when it was received counts.

    `appended_at`: when the log took the record. `ce_id`, `resent_at`: the headers `ce_id` and `hcp_received_at`.
    Raises Invalid. Pure, does not block.
    """
    event, event_id = parse(kind, value, ce_id)
    return receive(event, event_id, appended_at, claimed_by(event, resent_at))


def parse(kind: type[E], value: bytes, ce_id: str | None = None) -> tuple[E, str]:
    """The event in `value`, cleaned, and its id; its times are not looked at yet. Raises Invalid. Pure."""
    event = _decode(kind, value)
    _clean(event, value)
    return event, _identify(event, ce_id)


def claimed_by(event: Event, resent_at: str | None = None) -> datetime | None:
    """When we had it first, by what it says: the header `hcp_received_at`, else the body. Raises Invalid for a header that is
    no time.
    """
    if resent_at is None:
        return event.received_at
    try:
        claimed = msgspec.convert(resent_at, datetime)
    except msgspec.ValidationError:
        raise Invalid(Reason.WRONG_TYPE, "the header hcp_received_at is no time") from None
    if claimed.tzinfo is None:
        raise Invalid(Reason.WRONG_TYPE, "the header hcp_received_at has no offset")
    return claimed


def receive(event: E, event_id: str, appended_at: datetime, received_at: datetime | None) -> Received[E]:
    """A parsed event with its time of receipt: `received_at`, but the log's if it is None or later than that (which is
    flagged). Checks the times, raises Invalid. Changes the event's times to offsets that the ledger can hold.
    """
    late_clock = received_at is not None and received_at > appended_at
    at = appended_at if received_at is None or late_clock else received_at
    _check_times(event, at)
    return Received(event, event_id, digest(event), _eased(at), _flags(event, late_clock))


def digest(event: Event) -> str:
    """32 hex digits over the event without `received_at` and `reviewer`: the same words give the same digest."""
    received_at, event.received_at = event.received_at, None
    try:
        if not isinstance(event, ReviewEvent) or event.reviewer is None:
            body = _encode(event)
        else:
            reviewer, event.reviewer = event.reviewer, None
            try:
                body = _encode(event)
            finally:
                event.reviewer = reviewer
    finally:
        event.received_at = received_at
    made = _DIGEST.copy()  # cheaper than making one
    made.update(body)
    return made.hexdigest()


_DIGEST = blake2b(digest_size=16)
_encode = msgspec.json.Encoder().encode
_KINDS: tuple[type[Event], ...] = (CaseEvent, ReviewEvent, DecisionEvent)
_DECODE = {kind: msgspec.json.Decoder(kind).decode for kind in _KINDS}
_REQUIRED = {
    kind: frozenset(field.name for field in msgspec.structs.fields(kind) if field.required) for kind in _KINDS
}
_INTEGERS = frozenset({"service_no", "review_no", "satisfaction", "device_seq"})
_ADDED = ("promised_at", "failed_rules")
"""Optional fields that the topics' contract of version 1 has not had from its beginning."""
_TEXTS: dict[type, tuple[str, ...]] = {
    CaseEvent: (
        "case_no",
        "event_id",
        "item_code",
        "item_name",
        "dept_code",
        "area_code",
        "hall_code",
        "window_code",
        "staff_id",
        "source",
    ),
    ReviewEvent: (
        "case_no",
        "event_id",
        "comment",
        "hall_code",
        "window_code",
        "staff_id",
        "dept_code",
        "item_code",
        "device_id",
        "reviewer_mark",
    ),
    DecisionEvent: ("case_no", "event_id", "dept_code", "decided_by", "why"),
}
_WORDS: dict[type, tuple[str, ...]] = {
    CaseEvent: ("item_name",),
    ReviewEvent: ("comment",),
    DecisionEvent: ("decided_by", "why"),
}
"""The texts that people read; all others are codes, which seldom hold a space or more than ASCII."""
_CODES: dict[type, Callable[[Any], str]] = {
    CaseEvent: lambda e: (
        f"{e.case_no}{e.event_id}{e.item_code}{e.dept_code}{e.area_code}{e.hall_code}{e.window_code}{e.staff_id}{e.source}"
    ),
    ReviewEvent: lambda e: (
        f"{e.case_no}{e.event_id}{e.hall_code}{e.window_code}{e.staff_id}{e.dept_code}{e.item_code}{e.device_id}"
        f"{e.reviewer_mark}"
    ),
    DecisionEvent: lambda e: f"{e.case_no}{e.event_id}{e.dept_code}",
}
"""All texts of an event but its words, in one: looked at once."""
_NEVER_EMPTY: dict[type, frozenset[str]] = {
    CaseEvent: frozenset({"case_no", "event_id", "item_code", "dept_code"}),
    ReviewEvent: frozenset({"case_no", "event_id", "item_code"}),
    DecisionEvent: frozenset({"case_no", "event_id", "dept_code", "decided_by", "why"}),
}
_BACKSLASH, _DELETE = 0x5C, 0x7F
_CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f]")
"""Everything that Unicode calls control (Cc), except the line feed."""


def _decode(kind: type[E], value: bytes) -> E:
    if len(value) > MAX_BYTES:
        raise Invalid(Reason.TOO_LARGE, f"{len(value)} bytes, at most {MAX_BYTES} are allowed")
    try:
        return _DECODE[kind](value)  # type: ignore[return-value]  # the decoder of this very kind
    except msgspec.ValidationError as error:
        body = any_json(value)  # what is wrong with a field counts only in well-formed JSON
        if isinstance(body, dict):
            return _convert_what_counts(kind, body)
        raise explain(error) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise not_json() from None


def any_json(value: bytes) -> Any:
    """What this JSON says, whatever it is. Raises Invalid."""
    try:
        return msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise not_json() from None


def not_json() -> Invalid:
    """What is raised for bytes that are no JSON."""
    return Invalid(Reason.NOT_JSON, "the value is not one well-formed JSON text in UTF-8")


def _convert_what_counts(kind: type[E], body: dict[str, Any]) -> E:
    """An optional field that is null is absent, at every depth, as many a sender's serializer means it; a whole number is an
    integer however it is written. A field that the contract got later is, with a value that it does not mean, what it was
    before: unknown. A device's number that was allowed before it had its bound is kept.
    """
    kept = {name: field for name, field in body.items() if field is not None or name in _REQUIRED[kind]}
    for name in _INTEGERS & kept.keys():
        if isinstance(kept[name], float) and kept[name].is_integer():
            kept[name] = int(kept[name])
    if isinstance(reviewer := kept.get("reviewer"), dict):
        kept["reviewer"] = {name: field for name, field in reviewer.items() if field is not None}
    old_seq = kept.pop("device_seq") if _is_old_seq(kept.get("device_seq")) else None
    event = _converted(kind, kept)
    if old_seq and isinstance(event, ReviewEvent):
        event.device_seq = old_seq
    return event


def _is_old_seq(seq: Any) -> bool:
    return type(seq) is int and MOST_DEVICE_SEQ < seq <= MOST_OLD_SEQ


def _converted(kind: type[E], kept: dict[str, Any]) -> E:
    try:
        return msgspec.convert(kept, kind)
    except msgspec.ValidationError as error:
        added = _added_field(error)
        if added is None:
            raise explain(error) from None
        del kept[added]
        return _converted(kind, kept)


def _added_field(error: msgspec.ValidationError) -> str | None:
    """The field of a later contract that this error is about, if it is about one."""
    path = str(error).partition(" - at `$.")[2]
    return next((name for name in _ADDED if path.startswith((f"{name}`", f"{name}["))), None)


def explain(error: msgspec.ValidationError) -> Invalid:
    """What msgspec says of a value → our reason code; the sender's value is left out. Pure."""
    words, _, path = str(error).partition(" - at `$")
    field = path.rstrip("`").lstrip(".") or "the value"
    if words.startswith("Object missing required field"):
        return Invalid(Reason.MISSING_FIELD, f"{words.split('`')[1]} is missing")
    if words.startswith("Expected `object`") and not path:
        return Invalid(Reason.NOT_AN_OBJECT, "the value is JSON, but no object")
    if words.startswith("Invalid enum value"):
        return Invalid(Reason.UNKNOWN_VALUE, f"{field} has a value that the contract does not list")
    if words.startswith("Expected") and "got" not in words and "timezone" not in words:
        return Invalid(Reason.OUT_OF_RANGE, f"{field}: {words.lower()}")
    if words.startswith("Integer value out of range"):
        return Invalid(Reason.OUT_OF_RANGE, f"{field}: {words.lower()}")
    return Invalid(Reason.WRONG_TYPE, f"{field}: {words.split(', got')[0].lower()}")


def _clean(event: Event, raw: bytes) -> None:
    """Text as it is stored: NFC, trimmed, no control characters but line feeds."""
    kind = type(event)
    plain = (
        _BACKSLASH not in raw and _DELETE not in raw
    )  # then no ASCII text holds a control: JSON escapes the others
    codes = _CODES[kind](event)
    names = _WORDS[kind] if plain and codes.isascii() and " " not in codes else _TEXTS[kind]
    for name in names:
        text = getattr(event, name)
        if not text or text is msgspec.UNSET:
            continue
        clean = clean_text(text)
        if clean is not text:
            setattr(event, name, clean)
            if not clean and name in _NEVER_EMPTY[kind]:
                raise Invalid(Reason.OUT_OF_RANGE, f"{name} is empty")
    if isinstance(event, ReviewEvent) and event.reason_codes and not (plain and raw.isascii()):
        event.reason_codes = [clean_text(code) for code in event.reason_codes]


def clean_text(text: str) -> str:
    """This text in NFC, trimmed, CR LF and CR as LF, other control characters gone."""
    if text.isascii() and text.isprintable():
        return text.strip()
    if _CONTROL.search(text):
        text = _CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    return nfc(text).strip()


def _identify(event: Event, ce_id: str | None) -> str:
    """The event's id, from its body or from the header `ce_id`; both must agree."""
    own = event.event_id
    if own is msgspec.UNSET:
        if ce_id is None:
            raise Invalid(Reason.MISSING_FIELD, "event_id is missing, and so is the header ce_id")
        own = clean_text(ce_id) if len(ce_id) <= MOST_ID else ""
        if not 1 <= len(own) <= 64:
            raise Invalid(Reason.OUT_OF_RANGE, "the header ce_id: expected 1 to 64 characters")
        event.event_id = own
    elif ce_id is not None and ce_id != own and (len(ce_id) > MOST_ID or clean_text(ce_id) != own):
        raise Invalid(Reason.ID_MISMATCH, "the header ce_id and the body's event_id differ")
    return own


def _check_times(event: Event, received_at: datetime) -> None:
    """Raises Invalid. What is left has an offset that the ledger can hold."""
    if received_at < EARLIEST:
        raise Invalid(Reason.TIME_OUT_OF_RANGE, "received_at lies before the year 2000")
    latest = received_at + AHEAD
    if isinstance(event, ReviewEvent):
        event.submitted_at = _possible(event.submitted_at, latest, "submitted_at")
    elif isinstance(event, CaseEvent):
        event.served_at = _possible(event.served_at, latest, "served_at")
        if event.accepted_at is not None:
            event.accepted_at = _possible(event.accepted_at, latest, "accepted_at")


def _possible(at: datetime, latest: datetime, name: str) -> datetime:
    if not EARLIEST <= at <= latest:
        raise Invalid(Reason.TIME_OUT_OF_RANGE, f"{name} lies before the year 2000 or over a day ahead")
    return _eased(at)


def _eased(at: datetime) -> datetime:
    """After the year is checked: at their ends an instant has no UTC."""
    if at.tzinfo is UTC or abs(at.utcoffset() or FARTHEST) < FARTHEST:
        return at
    return at.astimezone(UTC)


def _flags(event: Event, late_clock: bool) -> tuple[str, ...]:
    """What is odd about it, in the order of the names."""
    late = (IN_FUTURE,) if late_clock else ()
    if isinstance(event, ReviewEvent) and event.device_seq is not None and event.device_seq > MOST_DEVICE_SEQ:
        return ("device_seq_too_large", *late)
    return late
