"""A citizen's client: POST /v1/reviews with a token, and GET /v1/reviews/{event_id}, whether a review was received."""

from typing import Any
from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from producers.gateway import examples
from producers.gateway.answers import Seen, answer
from producers.gateway.errors import NotSupported
from producers.gateway.guard import BODY, Auth, Guarded, Rate
from producers.gateway.operation import JSON, Body, Operation
from producers.gateway.received import Received
from producers.gateway.way_in import Accepted, WayIn
from producers.tokens import CaseToken, Claims
from schemas.events import EventId, Reason, ReviewEvent
from schemas.jsonschema import generate
from schemas.reading import MOST_ID, Invalid, any_json, clean_text
from schemas.topics import Stream

PATH = "/v1/reviews"
SOURCE = "/api"
SAID = (
    "event_id",
    "satisfaction",
    "submitted_at",
    "review_no",
    "reason_codes",
    "comment",
    "real_name",
    "reviewer",
)
"""What a citizen says; of what it is about, the token speaks. Whatever else is sent is dropped by decision, not kept with the
record as a device's is: nobody vouches for it, and it may be somebody's identity in clear."""


def _schema() -> dict[str, Any]:
    """Of what a citizen says: the contract's fields, few of them."""
    contract = generate(Stream.REVIEW)["$defs"]
    fields = {name: contract["ReviewEvent"]["properties"][name] for name in SAID}
    fields |= {"event_id": {"type": "string", "format": "uuid"}, "reviewer": contract["Reviewer"]}
    return {"type": "object", "required": list(SAID[:3]), "properties": fields}


SUBMITTING = Operation(
    "Take a citizen's review of what the token is for; fields that are not named here are dropped",
    takes={JSON: Body(_schema(), examples.CITIZEN)},
    gives={202: Body(Accepted, examples.ACCEPTED)},
    refuses=(409,),
)
FINDING = Operation(
    "Whether a review was received, and how far it has come; one that is in the ledger is found for ever",
    gives={200: Body(Seen, examples.SEEN)},
    refuses=(404, 503),
)


class Reviews:
    """The endpoints."""

    def __init__(self, way_in: WayIn) -> None:
        self._way_in = way_in
        self._received = Received(way_in.spool, way_in.ledger)

    async def submit(self, request: Request) -> Response:
        """Take a citizen's review; of its fields only those that we ask for. Raises Invalid, AlreadyUsed, SpoolFull."""
        claims: Claims = request.state.claims
        event = self._way_in.read(ReviewEvent, _review(await request.body(), claims))
        _uuid(event.event_id)
        only = once(claims, event.event.review_no)
        taken = await self._way_in.take(event, SOURCE, once=only, sender=claims.sender(SOURCE))
        return answer(taken, 202)

    async def find(self, request: Request) -> Response:
        """Where a review is: on the way, in the log, in the ledger. Raises NotSupported (404), LedgerAway."""
        event_id = _asked_for(request.path_params["event_id"])
        seen = await self._received.find(event_id) if event_id else None
        if seen is None:
            raise NotSupported(404, "unknown_review", "No review of this id is known")
        return answer(seen)


def once(claims: Claims, review_no: int) -> str:
    """What admits one event only: the tokens that one issuer has for a service one review and one follow-up, a place's any
    number (empty).
    """
    return f"{claims.token_id}/{review_no}" if isinstance(claims, CaseToken) else ""


def _review(body: bytes, claims: Claims) -> bytes:
    """The contract's event: what the citizen says, about what the token says. Raises Invalid."""
    said = any_json(body)
    if not isinstance(said, dict):
        raise Invalid(Reason.NOT_AN_OBJECT, "the value is JSON, but no object")
    event: dict[str, Any] = {name: said[name] for name in SAID if said.get(name) is not None}
    event |= {"channel": claims.channel, **claims.fields()}
    reviewer = event.get("reviewer") or {}
    if not isinstance(reviewer, dict):
        raise Invalid(Reason.WRONG_TYPE, "reviewer: expected an object")
    if reviewer.get("phone") or reviewer.get("id_number"):
        event.setdefault("real_name", True)
    return msgspec.json.encode(event)


def _asked_for(said: str) -> str:
    """The event's id as the contract cleans it; "" if it cannot be one: the look-up is skipped."""
    if len(said) > MOST_ID:
        return ""
    try:
        return msgspec.convert(clean_text(said), EventId)
    except msgspec.ValidationError:
        return ""


def _uuid(event_id: str) -> None:
    """A client of anybody's chooses it: it must tell nothing, and collide with nothing. Raises Invalid."""
    try:
        plain = str(UUID(event_id))
    except ValueError:
        plain = ""
    if plain != event_id:
        raise Invalid(Reason.OUT_OF_RANGE, "event_id: expected a uuid, lower case, with hyphens")


def routes(way_in: WayIn) -> list[BaseRoute]:
    """Its routes."""
    reviews = Reviews(way_in)
    return [
        Guarded(
            way_in,
            PATH,
            reviews.submit,
            auth=Auth.TOKEN,
            rate=Rate.TOKEN,
            body=BODY,
            methods=["POST"],
            says=SUBMITTING,
        ),
        Guarded(
            way_in,
            PATH + "/{event_id:path}",
            reviews.find,
            auth=Auth.PUBLIC,
            rate=Rate.ADDRESS,
            says=FINDING,
        ),
    ]
