"""/openapi.json: OpenAPI 3.1, made of what the routes say and hold to."""

from collections.abc import Iterable, Sequence
from importlib.metadata import version
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from pipeline import signing
from producers.gateway.guard import Auth, Declared, Guarded, Rate, Rules
from producers.gateway.operation import JSON, REF, Body, Operation, header
from producers.gateway.problems import MEDIA_TYPE, Document
from producers.gateway.refusals import refusals
from producers.gateway.way_in import WayIn
from schemas.events import CaseEvent, ReviewEvent

PATH = "/openapi.json"
_ABOUT = (
    "Reviews (评价) and cases (办件) of the county's government services. Devices sign each request; citizens' clients carry "
    "a token. 202 means that the event lies on disk. Sending the same event again is safe. Errors are RFC 9457 problems."
)
_SIGNED = [
    header(signing.DEVICE, "the device's id", "terminal-1", pattern="^[A-Za-z0-9._-]{1,64}$"),
    header(signing.KEY, "the id of its key", "k1", pattern="^[A-Za-z0-9._-]{1,64}$"),
    header(signing.TIME, "Unix seconds", "1795426800", pattern="^[0-9]{9,11}$"),
    header(signing.NONCE, "used once", "Zm9vYmFyYmF6cXV4cXV1", pattern="^[A-Za-z0-9_-]{16,64}$"),
    header(signing.VERSION, "of the signature", signing.V2, enum=list(signing.VERSIONS)),
    header(signing.ALGORITHM, "how it is signed", signing.ALGORITHMS[0], enum=list(signing.ALGORITHMS)),
    header(
        signing.SIGNATURE,
        "hexadecimal HMAC over version, method, path, time, nonce, SHA-256 of the body, content-type and ce-*",
        "9f…",
    ),
]
_LIMITED = {
    "RateLimit-Policy": {"schema": {"type": "string"}, "example": '"address";q=60;w=60'},
    "RateLimit": {"schema": {"type": "string"}, "example": '"address";r=59;t=60'},
}
_SECURITY = {Auth.SIGNED: "signature", Auth.TOKEN: "token"}
_SCHEMES = {
    "signature": {"type": "apiKey", "in": "header", "name": signing.SIGNATURE},
    "token": {"type": "http", "scheme": "bearer"},
}
_WORDS = {
    200: "the answer",
    201: "it was made",
    202: "it lies on disk",
    207: "what became of each",
    400: "the body is not what it says it is",
    401: "nobody whom we know says this",
    403: "the sender speaks for what is not its own",
    404: "there is no such thing",
    406: "none of the accepted forms can be given",
    408: "the body did not come in time",
    409: "it was taken before",
    413: "the body is too large",
    414: "the query is too long",
    415: "the body is of a form that is not read here",
    422: "the event breaks the contract",
    429: "too many requests",
    500: "a defect of ours",
    503: "nothing can be stored just now",
}


def describe(routes: Iterable[BaseRoute], url: str) -> dict[str, Any]:
    """The whole document. Pure."""
    told = [route for route in routes if isinstance(route, Declared) and route.says is not None]
    refs, components = _components(told)
    paths: dict[str, Any] = {}
    for route in told:
        operations = {method.lower(): _operation(route, refs) for method in sorted(route.asked_with)}
        paths.setdefault(route.path_format, {}).update(operations)
    return {
        "openapi": "3.1.0",
        "info": {"title": "好差评", "version": version("haochaping"), "description": _ABOUT},
        "servers": [{"url": url}],
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": _SCHEMES},
    }


Refs = dict[Any, dict[str, Any]]


def _components(told: Iterable[Declared]) -> tuple[Refs, dict[str, Any]]:
    """Where each type's schema is, and the schemas."""
    bodies = [
        body
        for route in told
        if route.says
        for body in (*route.says.takes.values(), *route.says.gives.values())
    ]
    types = list(
        dict.fromkeys(
            [
                Document,
                ReviewEvent,
                CaseEvent,
                *(body.schema for body in bodies if not isinstance(body.schema, dict)),
            ]
        )
    )
    refs, components = msgspec.json.schema_components(types, ref_template=REF)
    return dict(zip(types, refs, strict=True)), components


def _operation(route: Declared, refs: Refs) -> dict[str, Any]:
    says, rules = route.says or Operation("", {}), route.rules
    described: dict[str, Any] = {"summary": says.summary, "operationId": route.name}
    parameters = [*_in_path(route), *says.headers, *(_SIGNED if rules.auth is Auth.SIGNED else ())]
    if parameters:
        described["parameters"] = parameters
    if says.takes:
        content = {media: _body(body, refs) for media, body in says.takes.items()}
        described["requestBody"] = {"required": True, "content": content}
    described["responses"] = _responses(says, rules, refs)
    if rules.auth in _SECURITY:
        described["security"] = [{_SECURITY[rules.auth]: []}]
    return described


def _in_path(route: Declared) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string", "minLength": 1, "maxLength": 64},
        }
        for name in route.param_convertors
    ]


def _responses(says: Operation, rules: Rules, refs: Refs) -> dict[str, Any]:
    limited = {"headers": _LIMITED} if rules.rate not in {Rate.NONE, Rate.DEVICE} else {}
    taken = {
        str(status): {"description": _WORDS[status], "content": {says.media: _body(body, refs)}} | limited
        for status, body in says.gives.items()
    }
    refused = {
        str(status): {
            "description": _WORDS[status],
            "content": {MEDIA_TYPE: _body(Body(Document, examples=met), refs)},
        }
        for status, met in refusals(says, rules).items()
    }
    return refused | taken


def _body(body: Body, refs: Refs) -> dict[str, Any]:
    schema = body.schema if isinstance(body.schema, dict) else refs[body.schema]
    return {"schema": schema} | body.shown()


class Description:
    """The endpoint."""

    def __init__(self, routes: Sequence[BaseRoute], url: str) -> None:
        self._document = msgspec.json.encode(describe(routes, url))

    async def openapi(self, _: Request) -> Response:
        """The document."""
        return Response(self._document, media_type=JSON)


def routes(way_in: WayIn, described: Sequence[BaseRoute]) -> list[BaseRoute]:
    """Its route."""
    description = Description(described, way_in.settings.gateway.url)
    return [Guarded(way_in, PATH, description.openapi, auth=Auth.PUBLIC, rate=Rate.NONE)]
