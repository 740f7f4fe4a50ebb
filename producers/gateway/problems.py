"""What the gateway says when it refuses: problem documents of RFC 9457, which name field and rule, never a value."""

import re
from collections.abc import Callable, Mapping
from functools import singledispatch
from http import HTTPStatus
from typing import Any

import msgspec
from starlette.exceptions import HTTPException
from starlette.responses import Response

from pipeline import metrics
from pipeline.month_keys import KeyRingError
from pipeline.signing import NotSigned
from producers.gateway.errors import Forbidden, NotSupported, RateLimited, Refused, Unauthorized
from producers.gateway.ledger import LedgerAway
from producers.spool.errors import (
    RETRY_AFTER_SECONDS,
    AlreadyUsed,
    NonceUsed,
    SpoolBroken,
    SpoolError,
    SpoolFull,
)
from producers.tokens import TokenBad, TokenExpired
from schemas.events import CaseEvent, Reason, ReviewEvent
from schemas.reading import Invalid

MEDIA_TYPE = "application/problem+json"
TYPE = "urn:hcp:problem:"

_encode = msgspec.json.Encoder().encode
_FIELDS = frozenset(field.name for kind in (CaseEvent, ReviewEvent) for field in msgspec.structs.fields(kind))
_FIRST_WORD = re.compile("(?:the header )?([a-z_]+)")
_STATUS = {Reason.NOT_JSON: 400, Reason.NOT_AN_OBJECT: 400, Reason.TOO_LARGE: 413}
"""Of contract violations; every other one is 422."""


class Document(msgspec.Struct, omit_defaults=True):
    """A problem document. `type` ends in the kind of problem; `reason` and `field` say which rule an event breaks, and where."""

    type: str
    title: str
    status: int
    detail: str = ""
    reason: str = ""
    field: str = ""


class Problem(msgspec.Struct):
    """One refusal, before it is a response. `more`: further members of the document."""

    status: int
    kind: str
    title: str
    detail: str = ""
    more: Mapping[str, Any] = {}
    headers: Mapping[str, str] = {}

    def document(self) -> dict[str, Any]:
        """The problem document."""
        said = {"type": TYPE + self.kind, "title": self.title, "status": self.status}
        return said | ({"detail": self.detail} if self.detail else {}) | dict(self.more)

    def response(self) -> Response:
        """The answer to a request that met it."""
        return Response(_encode(self.document()), self.status, dict(self.headers), MEDIA_TYPE)


EXPECTED = (Invalid, NotSigned, Refused, TokenBad, TokenExpired, SpoolError, LedgerAway, HTTPException)
"""What a request may meet. Anything else is a defect of ours."""


@singledispatch
def of(_: Exception) -> Problem:
    """The problem that this exception is to a caller. Of a defect nothing is shown."""
    return Problem(500, "internal", "The gateway failed; nothing was taken. Send the same again later")


@of.register
def _(error: Invalid) -> Problem:
    named = _FIRST_WORD.match(error.message)
    field = {"field": named[1]} if named and named[1] in _FIELDS else {}
    status = _STATUS.get(error.reason, 422)
    return Problem(
        status,
        "invalid_event",
        "The event breaks the contract",
        error.message,
        {"reason": error.reason} | field,
    )


@of.register
def _(error: NotSigned) -> Problem:
    return Problem(
        401,
        "not_signed",
        "The request is not signed",
        str(error),
        headers={"WWW-Authenticate": "HCP-Signature"},
    )


@of.register
def _(error: Unauthorized) -> Problem:
    return Problem(401, error.kind, error.title, str(error), headers={"WWW-Authenticate": error.scheme})


@of.register
def _(error: Forbidden) -> Problem:
    return Problem(403, error.kind, "The sender may not say this", str(error), {"field": error.field})


@of.register
def _(error: NotSupported) -> Problem:
    return Problem(error.status, error.kind, error.title, str(error), headers=error.headers)


@of.register
def _(_: TokenBad) -> Problem:
    return Problem(401, "token_bad", "The token is none of ours", headers={"WWW-Authenticate": "Bearer"})


@of.register
def _(_: TokenExpired) -> Problem:
    return Problem(401, "token_expired", "The token's time is over", headers={"WWW-Authenticate": "Bearer"})


@of.register
def _(_: NonceUsed) -> Problem:
    return Problem(409, "nonce_used", "This very request was taken before; sign the next one anew")


@of.register
def _(_: AlreadyUsed) -> Problem:
    return Problem(409, "already_reviewed", "This service has been reviewed with this token")


@of.register
def _(error: SpoolFull) -> Problem:
    said = "The gateway holds as much as it may; send the same again later"
    return Problem(503, "full", said, headers=_again(error.retry_after))


@of.register
def _(_: SpoolBroken | KeyRingError) -> Problem:
    said = "The gateway cannot store anything; send the same again later"
    return Problem(503, "broken", said, headers=_again(RETRY_AFTER_SECONDS))


@of.register
def _(_: LedgerAway) -> Problem:
    said = "The ledger does not answer just now; what was accepted is not lost. Ask again later"
    return Problem(503, "ledger_away", said, headers=_again(RETRY_AFTER_SECONDS))


def _again(seconds: int) -> dict[str, str]:
    return {"Retry-After": str(seconds)}


@of.register
def _(error: RateLimited) -> Problem:
    return Problem(429, "too_many", "Too many requests", headers=error.headers)


@of.register
def _(error: HTTPException) -> Problem:
    status = HTTPStatus(error.status_code)
    return Problem(
        error.status_code,
        status.name.lower(),
        status.phrase,
        headers=dict(error.headers or {}),
    )


def count(error: Exception) -> Problem:
    """The problem that this exception is, counted."""
    found = of(error)
    metrics.GATEWAY_REFUSED.labels(found.more.get("reason", found.kind)).inc()
    return found


def answer(_: object, error: Exception) -> Response:
    """The response to a request that met this exception; for Starlette's handlers, too."""
    return of(error).response()


Answer = Callable[[Any, Exception], Response]
