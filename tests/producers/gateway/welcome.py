"""Cases of schemathesis that a gateway may take: what is valid by its schema is seldom of now, and of the sender's own place."""

import base64
import copy
import json
from typing import Any
from urllib.parse import quote

from producers.devices.device import PLACE
from producers.gateway import events, reviews
from producers.gateway.cloudevents import BINARY
from schemas.identifiers import uuid7
from tests.harness import now, review
from tests.producers.gateway.house import SYSTEM, TERMINAL, ce_headers, envelope

FOREIGN = {*PLACE, "device_id"}
"""What a terminal that has another value of its own may not say."""


def welcome(case: Any) -> str:
    """Make of this case of a way in one that may be taken; all else is as it was generated. Who may send it."""
    case.body = copy.deepcopy(case.body)
    return WAYS[case.operation.path](case)


def _citizen(case: Any) -> str:
    case.body |= {"event_id": str(uuid7()), "submitted_at": now(minutes=1)}
    return TERMINAL


def _device(case: Any) -> str:
    if case.media_type == BINARY:
        event = case.body
        sender = _of_now(event)
        case.headers.update(ce_headers(event) | {"ce-id": quote(event["event_id"])})
        return sender
    told = case.body if isinstance(case.body, list) else [case.body]
    return ([_unwrap(one) for one in told] or [TERMINAL])[0]


WAYS = {events.PATH: _device, reviews.PATH: _citizen}


def _unwrap(told: dict[str, Any]) -> str:
    in_base64 = "data_base64" in told
    event = told.get("data") or review("C1")
    sender = _of_now(event)
    told.update(envelope(event))
    if in_base64:
        told["data_base64"] = base64.b64encode(json.dumps(told.pop("data")).encode()).decode()
    return sender


def _of_now(event: dict[str, Any]) -> str:
    event.setdefault("event_id", str(uuid7()))
    if "satisfaction" not in event:
        event.pop("accepted_at", None)
        event["served_at"] = now(minutes=5)
        return SYSTEM
    for name in FOREIGN & event.keys():
        del event[name]
    if isinstance(event.get("reviewer"), str):  # a seal, and not one of ours
        del event["reviewer"]
    event |= {"channel": "terminal", "submitted_at": now(minutes=1)}
    return TERMINAL
