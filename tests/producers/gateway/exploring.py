"""Schemathesis over /openapi.json: what the description allows, what it forbids, signed and with a token as it should be."""

from collections.abc import Callable
from datetime import timedelta
from itertools import cycle
from typing import Any, cast
from unittest.mock import AsyncMock, patch

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.python import asgi
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from starlette.types import Receive, Send

from producers.tokens import Kind, Place, new_id
from tests.producers.gateway.house import SYSTEM, TERMINAL, House
from tests.producers.gateway.noted import Noted
from tests.producers.gateway.welcome import WAYS, welcome

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
STREAM = "/v1/terminals/{window}/invitations"
"""Its answer has no end."""


class Admitted(requests.auth.AuthBase):
    """Signs what is sent, and brings a token: what is not let in is never looked at."""

    def __init__(self, gateway: House, device: str) -> None:
        self._gateway, self._device = gateway, device
        place = Place(token_id=new_id(), kind=Kind.WINDOW, name="1号窗口", window_code="W1")
        self._token = gateway.way_in.tokens.make(place, gateway.clock() + timedelta(days=1))

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        body = request.body or b""
        assert isinstance(body, bytes | str)
        signed = self._gateway.signed(
            body.encode() if isinstance(body, str) else body,
            path=request.path_url,
            device=self._device,
            method=str(request.method),
            headers={name: _text(value) for name, value in request.headers.items()},
        )
        request.headers.update(signed | {"authorization": f"Bearer {self._token}"})
        return request


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def explore(gateway: House, cases: int) -> dict[str, Noted]:
    """So many cases over all operations, half of them breaking the description; how each operation was answered.

    Of the events that keep to it, two of three are made ones that may be taken. The ledger answers, and holds nothing.
    Raises AssertionError, with the request, at the first answer that the description does not allow.
    """

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await gateway.app(scope, receive, send)

    schema = schemathesis.openapi.from_asgi("/openapi.json", app)
    operations: list[Any] = [result.ok() for result in schema.get_all_operations()]  # type: ignore[union-attr]  # ours is valid
    asked = [one for one in operations if one.path != STREAM]
    modes = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
    each = -(-cases // (len(asked) * len(modes)))
    seen = {operation.label: Noted() for operation in asked}
    empty = patch.object(gateway.way_in.ledger, "ask", AsyncMock(return_value=None))
    with empty, asgi.get_client(cast(Any, app)) as client:
        for operation in asked:
            for mode in modes:
                ask = _asking(gateway, client, welcomed=mode is modes[0] and operation.path in WAYS)
                _explore(ask, operation.as_strategy(generation_mode=mode), each, seen[operation.label])
    return seen


Ask = Callable[[Any], Any]


def _asking(gateway: House, client: Any, *, welcomed: bool) -> Ask:
    """What sends a case, and returns its answer. `welcomed`: two of three are made ones that may be taken."""
    turns = cycle((TERMINAL, "", "", SYSTEM, "", "") if welcomed else (TERMINAL, SYSTEM))

    def ask(case: Any) -> Any:
        sender = next(turns) or welcome(case)
        return case.call(session=client, auth=Admitted(gateway, sender))

    return ask


def _explore(ask: Ask, strategy: Any, examples: int, noted: Noted) -> None:
    @hypothesis_settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=strategy)
    def one(case: Any) -> None:
        response = ask(case)
        case.validate_response(response, checks=CHECKS)
        noted.note(response.status_code, response.headers["content-type"][0], response.content)

    one()
