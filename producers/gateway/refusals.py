"""Which refusals a route of certain rules may answer with, and an example of each: the document that the gateway itself makes."""

from collections.abc import Iterator
from typing import Any

from starlette.exceptions import HTTPException

from pipeline.signing import NotSigned
from producers.gateway import problems
from producers.gateway.errors import Forbidden, NotSupported, RateLimited, Unauthorized
from producers.gateway.guard import Auth, Rate, Rules
from producers.gateway.ledger import LedgerAway
from producers.gateway.operation import Operation
from producers.spool.errors import AlreadyUsed, NonceUsed, SpoolFull
from producers.tokens import TokenBad, TokenExpired
from schemas.events import Reason
from schemas.reading import Invalid

_ANYBODY: dict[int, list[Exception]] = {
    400: [Invalid(Reason.NOT_JSON, "the value is not one well-formed JSON text in UTF-8")],
    404: [NotSupported(404, "unknown_review", "No review of this id is known"), HTTPException(404)],
    406: [NotSupported(406, "not_acceptable", "Not Acceptable", "what is given here is application/json")],
    408: [NotSupported(408, "too_slow", "The body did not come in time", "at most 10 s")],
    413: [NotSupported(413, "too_large", "The body is too large", "at most 65536 bytes are allowed")],
    414: [NotSupported(414, "query_too_long", "The query is too long", "at most 2048 bytes")],
    415: [
        NotSupported(415, "unsupported_media_type", "Unsupported Media Type", "application/json, in UTF-8")
    ],
    422: [Invalid(Reason.OUT_OF_RANGE, "satisfaction: expected `int` <= 5")],
    429: [RateLimited({})],
    500: [RuntimeError()],
    503: [SpoolFull(""), LedgerAway()],
}
_SIGNED: dict[int, list[Exception]] = {
    401: [
        NotSigned("the header hcp-nonce is missing or not of its form"),
        Unauthorized("signature_wrong", "The signature is not that of a known device over this request"),
        Unauthorized(
            "signature_outdated", "Version 1 of the signature is no longer accepted from this device"
        ),
    ],
    403: [Forbidden("foreign_place", "window_code", "window_code is not the device's own")],
    409: [NonceUsed()],
}
_TOKEN: dict[int, list[Exception]] = {401: [TokenBad(), TokenExpired()], 409: [AlreadyUsed("")]}
_OF = {Auth.SIGNED: _ANYBODY | _SIGNED, Auth.TOKEN: _ANYBODY | _TOKEN}


def refusals(says: Operation, rules: Rules) -> dict[int, dict[str, Any]]:
    """The statuses, each with its examples by the kind of problem. Pure."""
    met = _OF.get(rules.auth, _ANYBODY)
    return {status: dict(_named(error) for error in met[status]) for status in _statuses(says, rules)}


def _statuses(says: Operation, rules: Rules) -> Iterator[int]:
    yield from (406, 408, 413, 414, 500)
    yield from says.refuses
    if rules.auth in {Auth.SIGNED, Auth.TOKEN}:
        yield 401
    if rules.auth is Auth.SIGNED:
        yield from (403, 409, 503)
    if rules.rate is not Rate.NONE:
        yield 429
    if says.takes:
        yield from (400, 415, 422, 503)


def _named(error: Exception) -> tuple[str, Any]:
    problem = problems.of(error)
    return problem.kind, problem.document()
