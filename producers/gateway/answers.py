"""What the gateway says when it takes something: the documents of 202 and 207, and where a review is."""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

JSON = "application/json"
_JSON = (b"content-type", JSON.encode())

_encode = msgspec.json.Encoder().encode


class Answered(msgspec.Struct, omit_defaults=True):
    """What became of one event of a batch: taken (202), or refused with its problem."""

    status: int
    event_id: str = ""
    received_at: datetime | None = None
    seen_before: bool = False
    problem: dict[str, Any] | None = None


class Answers(msgspec.Struct):
    """What became of a batch, in its order."""

    results: list[Answered]


class Seen(msgspec.Struct):
    """A review that was received. `set-aside`: it could not be sent on, somebody looks after it."""

    event_id: str
    state: Annotated[
        Literal["waiting", "stored-in-log", "in-ledger", "set-aside"],
        msgspec.Meta(description="how far it has come"),
    ]
    received_at: datetime


class Answer:
    """The response that says this, with little more than what the wire needs."""

    def __init__(self, document: msgspec.Struct, status: int) -> None:
        self.status, self.body = status, _encode(document)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  ASGI
        """Say it."""
        headers = [_JSON, (b"content-length", b"%d" % len(self.body))]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body})


def answer(document: msgspec.Struct, status: int = 200) -> Response:
    """The same as a response of Starlette's."""
    return Response(_encode(document), status, media_type=JSON)
