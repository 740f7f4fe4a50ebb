"""POST /v1/events: CloudEvents 1.0 from devices that sign. A single event, or a batch of which each is answered on its own."""

from functools import partial
from typing import Any

from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from producers.devices.device import Device
from producers.gateway import examples, problems
from producers.gateway.accepting import demand
from producers.gateway.answers import Answer, Answered, Answers
from producers.gateway.body import read_body
from producers.gateway.claiming import without_placeholder
from producers.gateway.cloudevents import (
    BATCH,
    BINARY,
    MAX_EVENTS,
    STRUCTURED,
    TYPES,
    Told,
    batch,
    binary,
    media_type,
    structured,
)
from producers.gateway.guard import BODY, Auth, Declared, Rate, Rules
from producers.gateway.operation import JSON, REF, Body, Operation, header
from producers.gateway.outside import ROUTE
from producers.gateway.speaking import speak
from producers.gateway.turns import Turns
from producers.gateway.way_in import Accepted, WayIn
from producers.spool.errors import SpoolError
from producers.spool.record import Appended, Record
from schemas.reading import Received

PATH = "/v1/events"
BATCH_BODY = 1024 * 1024


_REVIEW_OR_CASE = {"anyOf": [{"$ref": REF.format(name=kind.__name__)} for kind in TYPES.values()]}
_ENVELOPE = {
    "type": "object",
    "required": ["specversion", "id", "source", "type"],
    "properties": {
        "specversion": {"const": "1.0"},
        "id": {"type": "string", "minLength": 1, "maxLength": 64},
        "source": {"type": "string", "minLength": 1},
        "type": {"enum": list(TYPES)},
        "datacontenttype": {"const": BINARY},
        "data": _REVIEW_OR_CASE,
        "data_base64": {"type": "string", "contentEncoding": "base64"},
    },
    "oneOf": [{"required": ["data"]}, {"required": ["data_base64"]}],
}
_ONE_OR_ALL = {"oneOf": [{"$ref": REF.format(name=kind.__name__)} for kind in (Accepted, Answers)]}
SAYS = Operation(
    "Take reviews and cases as CloudEvents 1.0, in binary, structured or batch form; further fields are kept with the record",
    takes={
        BINARY: Body(_REVIEW_OR_CASE, examples=examples.EVENTS),
        STRUCTURED: Body(_ENVELOPE, examples=examples.ENVELOPES),
        BATCH: Body(
            {"type": "array", "maxItems": MAX_EVENTS, "items": _ENVELOPE}, list(examples.ENVELOPES.values())
        ),
    },
    gives={
        202: Body(_ONE_OR_ALL, examples={"one": examples.ACCEPTED, "batch": examples.ALL_TAKEN}),
        207: Body(Answers, examples.ANSWERS),
    },
    headers=[
        header("ce-specversion", "in binary form: CloudEvents's version", "1.0", const="1.0"),
        header("ce-id", "in binary form: the event's id", examples.REVIEW["event_id"]),
        header("ce-source", "in binary form: where it comes from", "/terminal/terminal-1"),
        header("ce-type", "in binary form: what it is", next(iter(TYPES)), enum=list(TYPES)),
    ],
)


class EventsRoute(Declared):
    """The way of the many: it asks for its caller itself, with as little around it as can be."""

    rules, says = Rules(Auth.SIGNED, Rate.DEVICE, BATCH_BODY), SAYS


class Events:
    """The endpoint."""

    def __init__(self, way_in: WayIn) -> None:
        self._way_in, self._turns = way_in, Turns()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        scope[ROUTE] = PATH
        response: ASGIApp
        try:
            response = await self._answer(scope, receive)
        except problems.EXPECTED as error:
            problems.count(error)
            response = problems.answer(None, error)
        await response(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive) -> ASGIApp:
        sent = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
        headers = dict(sent)
        demand(headers.get("accept", ""), JSON)
        form = media_type(headers)
        limit = BATCH_BODY if form == BATCH else BODY
        body = await read_body(scope, receive, limit, self._way_in.patience)
        device, nonce = self._way_in.device_of(sent, scope, body)
        if form == BATCH:
            return await self._take_all(device, nonce, batch(body))
        told = binary(headers, body) if form == BINARY else structured(body)
        accepted = await self._way_in.take(self._read(device, told), device.source, told.body, nonce)
        return Answer(accepted, 202)

    def _read(self, device: Device, told: Told) -> Received[Any]:
        """The event, if it is one, and this device's to send; of no case, if its number is a placeholder.

        Raises Invalid, Forbidden.
        """
        received = self._way_in.read(told.kind, told.body, told.ce_id)
        speak(self._way_in.devices, device, received.event)
        return without_placeholder(device, received)

    async def _take_all(self, device: Device, nonce: str, events: list[bytes]) -> Answer:
        """1. Read each. 2. Take those that are events, in one commit. 3. Answer each."""
        self._way_in.rates.charge(device, max(0, len(events) - 1))
        read = await self._turns.each(partial(self._record, device), events)
        records = [record for record in read if isinstance(record, Record)]
        told = iter(await self._way_in.take_all(records, nonce))
        results = [_answered(one, next(told)) if isinstance(one, Record) else one for one in read]
        status = 202 if all(one.status == 202 for one in results) else 207
        return Answer(Answers(results), status)

    def _record(self, device: Device, event: bytes) -> Record | Answered:
        try:
            told = structured(event)
            return self._way_in.record(self._read(device, told), device.source, told.body)
        except problems.EXPECTED as error:
            return _refused(error)


def _answered(record: Record, told: Appended | SpoolError) -> Answered:
    if isinstance(told, SpoolError):
        return _refused(told, record.event_id)
    return Answered(202, record.event_id, told.received_at, told.seen_before)


def _refused(error: Exception, event_id: str = "") -> Answered:
    problem = problems.count(error)
    return Answered(problem.status, event_id, problem=problem.document())


def routes(way_in: WayIn) -> list[BaseRoute]:
    """Its routes."""
    return [EventsRoute(PATH, Events(way_in), methods=["POST"], name="events")]
