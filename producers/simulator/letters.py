"""What is written on the wire for a step: signed events, single or in a batch; a citizen's words with a token; a form."""

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit
from zlib import crc32

import msgspec

from pipeline.signing import sign
from producers.simulator.connection import Request
from producers.spool.http_sink import MEDIA_TYPE as BATCH
from producers.spool.http_sink import PATH as EVENTS
from producers.spool.http_sink import Sender
from producers.tokens import Kind, Place
from schemas.events import CE_TYPE_PREFIX, CaseEvent, Reviewer, ReviewEvent
from schemas.receipt import event_of
from schemas.topics import Stream

REVIEWS = "/v1/reviews"
INVITATIONS = "/v1/invitations"
SAID = (
    "event_id", "satisfaction", "submitted_at", "review_no", "reason_codes", "comment", "real_name", "reviewer",
)  # fmt: skip
"""Of a review: what its citizen says. The rest the token says."""
ASKED = (
    "case_no",
    "service_no",
    "channel",
    "dept_code",
    "item_code",
    "hall_code",
    "window_code",
    "staff_id",
)
_EVENT_ID = re.compile(rb'name="event_id" value="([0-9a-f-]{36})"')

encode = msgspec.json.Encoder().encode


def single(sender: Sender, event: CaseEvent | ReviewEvent, body: bytes) -> Request:
    """An event in binary form, signed. `body`: its JSON."""
    headers = {f"ce-{name}": value for name, value in _attributes(sender, event).items()}
    return _signed(sender, EVENTS, body, headers | {"content-type": "application/json"})


def batch(sender: Sender, events: Iterable[CaseEvent | ReviewEvent]) -> Request:
    """Events in a batch, signed as one."""
    body = encode([_attributes(sender, event) | {"data": event} for event in events])
    return _signed(sender, EVENTS, body, {"content-type": BATCH})


def spoken(token: str, event: ReviewEvent) -> Request:
    """What a citizen's client sends."""
    said = {name: getattr(event, name) for name in SAID if getattr(event, name)}
    headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
    return Request("POST", REVIEWS, headers | from_home(event), encode(said))


def opened(token: str, event: ReviewEvent) -> Request:
    """A citizen's browser opens the page behind a code."""
    return Request("GET", f"/r/{token}", from_home(event))


def filled_in(token: str, event: ReviewEvent, event_id: str) -> Request:
    """The page's form, filled in and sent. `event_id`: the one that the page has in it."""
    reviewer = event.reviewer if isinstance(event.reviewer, Reviewer) else Reviewer()
    fields: dict[str, Any] = {
        "event_id": event_id,
        "review_no": event.review_no,
        "level": event.satisfaction,
        "reasons": event.reason_codes,
        "comment": event.comment,
        "name": reviewer.name,
        "phone": reviewer.phone,
    }
    headers = {"content-type": "application/x-www-form-urlencoded"} | from_home(event)
    return Request("POST", f"/r/{token}", headers, urlencode(fields, doseq=True).encode())


def event_id_in(page: bytes) -> str:
    """The id that the review of this page's form will have; empty if there is no form on it."""
    found = _EVENT_ID.search(page)
    return found[1].decode() if found else ""


def event_id_of(thanks: str) -> str:
    """The id of the review for which this address of a page says thanks; empty if it names none."""
    number = parse_qs(urlsplit(thanks).query).get("number", [""])[0]
    return event_of(number)


def from_home(event: ReviewEvent) -> dict[str, str]:
    """Each citizen has an address, as the county's proxy would tell it."""
    home = crc32(f"{event.case_no or event.event_id}".encode()).to_bytes(4)
    return {"x-forwarded-for": ".".join(map(str, (10, *home[1:])))}


def invitation(sender: Sender, event: ReviewEvent) -> Request:
    """The case's system asks for the token with which its citizen reviews."""
    asked = {name: getattr(event, name) for name in ASKED if getattr(event, name)} | {"item_name": "模拟办件"}
    return _signed(sender, INVITATIONS, encode(asked), {"content-type": "application/json"})


def _signed(sender: Sender, path: str, body: bytes, headers: dict[str, str]) -> Request:
    return Request("POST", path, sign(*sender, "POST", path, body, headers), body)


def on_the_wall(event: ReviewEvent) -> Place:
    """What the code at the window says that this review is about."""
    return Place(
        token_id=str(event.event_id),
        kind=Kind.WINDOW,
        name="模拟窗口",
        hall_code=event.hall_code,
        window_code=event.window_code,
    )


def _attributes(sender: Sender, event: CaseEvent | ReviewEvent) -> dict[str, str]:
    stream = Stream.CASE if isinstance(event, CaseEvent) else Stream.REVIEW
    return {
        "specversion": "1.0",
        "id": str(event.event_id),
        "source": f"/{sender.device_id}",
        "type": CE_TYPE_PREFIX + stream.value,
    }
