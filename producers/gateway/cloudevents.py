"""CloudEvents 1.0 over HTTP: binary, structured and batch form, each to the events' own bytes."""

import base64
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple
from urllib.parse import unquote

import msgspec

from producers.gateway.errors import NotSupported
from schemas.events import CE_TYPE_PREFIX, CaseEvent, Reason, ReviewEvent
from schemas.reading import MAX_BYTES, Invalid, any_json, not_json
from schemas.topics import Stream

BINARY = "application/json"
STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
MAX_EVENTS = 500
MAX_ENVELOPE = 2 * MAX_BYTES
"""Bytes of one event with its attributes: the largest event fits in, also in base64."""
_NAMES = ("specversion", "id", "source", "type")
TYPES: dict[str, type[ReviewEvent] | type[CaseEvent]] = {
    CE_TYPE_PREFIX + Stream.REVIEW: ReviewEvent,
    CE_TYPE_PREFIX + Stream.CASE: CaseEvent,
}


class Told(NamedTuple):
    """An event as it was sent: `body` is its JSON, byte for byte."""

    kind: type[ReviewEvent] | type[CaseEvent]
    ce_id: str
    body: bytes


class Envelope(msgspec.Struct):
    """An event in structured form. Attributes that we do not know are left out."""

    specversion: str = ""
    id: str = ""
    source: str = ""
    type: str = ""
    datacontenttype: str = BINARY
    time: datetime | None = None
    data: msgspec.Raw = msgspec.Raw()
    data_base64: str = ""


_envelope = msgspec.json.Decoder(Envelope).decode
_Batch = msgspec.defstruct(
    "_Batch",
    [(f"event_{number}", msgspec.Raw, msgspec.Raw()) for number in range(MAX_EVENTS)],
    array_like=True,
    forbid_unknown_fields=True,
)
"""A list would be read to its end before its length is looked at: half a million elements in 1 MiB."""
_batch = msgspec.json.Decoder(_Batch).decode
_TOO_MANY = "Expected `array` of at most length"


def media_type(headers: Mapping[str, str]) -> str:
    """The form in which events come. Raises NotSupported for any other, also for a charset that is not UTF-8."""
    form, _, parameters = headers.get("content-type", "").lower().partition(";")
    form = form.strip()
    charset = parameters.partition("charset=")[2].split(";")[0].strip(' "')
    if form not in {BINARY, STRUCTURED, BATCH} or charset not in {"", "utf-8"}:
        raise NotSupported(
            415,
            "unsupported_media_type",
            "Unsupported Media Type",
            f"{BINARY}, {STRUCTURED} or {BATCH}, in UTF-8",
        )
    return form


def binary(headers: Mapping[str, str], body: bytes) -> Told:
    """An event in binary form: its attributes are headers, the body is the event. Raises Invalid."""
    ce_id = unquote(headers.get("ce-id", ""))
    kind = _kind(
        "the header ce-",
        headers.get("ce-specversion", ""),
        ce_id,
        headers.get("ce-source", ""),
        headers.get("ce-type", ""),
    )
    return Told(kind, ce_id, body)


def structured(body: bytes) -> Told:
    """An event in structured form. Raises Invalid."""
    if len(body) > MAX_ENVELOPE:
        raise Invalid(
            Reason.TOO_LARGE, f"{len(body)} bytes with its attributes, at most {MAX_ENVELOPE} are allowed"
        )
    try:
        envelope = _envelope(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _not_an_envelope(body, error) from None
    kind = _kind("", envelope.specversion, envelope.id, envelope.source, envelope.type)
    return Told(kind, envelope.id, _data(envelope))


def batch(body: bytes) -> list[bytes]:
    """The events of a batch, each in structured form. Raises Invalid, and NotSupported for too many."""
    try:
        return [bytes(event) for event in msgspec.structs.astuple(_batch(body)) if bytes(event)]
    except msgspec.ValidationError as error:
        if str(error).startswith(_TOO_MANY):
            raise NotSupported(
                413, "too_many_events", "Too many events", f"at most {MAX_EVENTS} in a batch"
            ) from None
        any_json(body)
        raise Invalid(Reason.WRONG_TYPE, "the value is JSON, but no array") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise not_json() from None


def _kind(
    where: str, specversion: str, ce_id: str, source: str, kind: str
) -> type[ReviewEvent] | type[CaseEvent]:
    for name, value in zip(_NAMES, (specversion, ce_id, source, kind), strict=True):
        if not value:
            raise Invalid(Reason.MISSING_FIELD, f"{where}{name} is missing")
    if specversion != "1.0":
        raise Invalid(Reason.UNKNOWN_VALUE, f"{where}specversion is not 1.0")
    if kind not in TYPES:
        raise Invalid(Reason.UNKNOWN_VALUE, f"{where}type is none of {', '.join(TYPES)}")
    return TYPES[kind]


def _data(envelope: Envelope) -> bytes:
    if envelope.datacontenttype.partition(";")[0].strip().lower() != BINARY:
        raise Invalid(Reason.UNKNOWN_VALUE, f"datacontenttype is not {BINARY}")
    data = bytes(envelope.data)
    if bool(data) == bool(envelope.data_base64):
        raise Invalid(Reason.MISSING_FIELD, "one of data and data_base64 is needed, and only one")
    try:
        return data or base64.b64decode(envelope.data_base64, validate=True)
    except ValueError:
        raise Invalid(Reason.WRONG_TYPE, "data_base64 is not base64") from None


def _not_an_envelope(body: bytes, error: Exception) -> Invalid:
    any_json(body)  # what is wrong with a field counts only in well-formed JSON
    _, _, path = str(error).partition(" - at `$")
    field = path.rstrip("`").lstrip(".")
    if not field:
        return Invalid(Reason.NOT_AN_OBJECT, "the value is JSON, but no object")
    return Invalid(Reason.WRONG_TYPE, f"{field} has a value of another type than CloudEvents 1.0 gives it")
