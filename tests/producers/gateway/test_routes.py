"""The structure: every route says who may call it, how often and how much it reads; and holds to it."""

from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Route

from producers.gateway.app import create
from producers.gateway.events import BATCH_BODY
from producers.gateway.guard import BODY, Auth, Declared, Guarded, Rate
from producers.gateway.outside import SECURITY
from tests.producers.gateway.house import House, settings_in


def undeclared(routes: list[BaseRoute]) -> list[str]:
    """Routes without rules."""
    return [str(route) for route in routes if not isinstance(route, Declared)]


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Any:
    made = create(settings_in(tmp_path_factory.mktemp("gateway")))
    yield made
    made.state.way_in.spool.close()


def declared(app: Starlette) -> list[Declared]:
    return [route for route in app.routes if isinstance(route, Declared)]


def test_every_route_declares_its_rules(app: Starlette) -> None:
    assert not undeclared(app.routes)
    assert undeclared([Route("/open", lambda _: None)])


def test_rules_that_go_together(app: Starlette) -> None:
    for route in declared(app):
        auth, rate, body = route.rules
        if "POST" in route.asked_with:
            assert 0 < body <= BATCH_BODY
            assert auth is not Auth.PUBLIC, "whoever writes is known, or has a token"
        else:
            assert body == 0
        if auth is Auth.TOKEN:
            thanks = route.path.endswith(
                "/thanks"
            )  # who was taken is told so, however often the address came
            assert rate is not Rate.NONE or thanks
        if rate is Rate.TOKEN:
            assert auth is Auth.TOKEN


def test_only_batches_are_larger_than_an_event(app: Starlette) -> None:
    assert [route.path for route in declared(app) if route.rules.body > BODY] == ["/v1/events"]


@pytest.mark.parametrize("forbidden", ["case_no", "phone", "reviewer", "id_number"])
def test_no_route_has_a_place_for_what_may_not_be_in_a_url(app: Starlette, forbidden: str) -> None:
    assert not [route.path for route in declared(app) if forbidden in route.param_convertors]


def test_what_programs_call_is_described(app: Starlette, gateway: House) -> None:
    described = set(gateway.client.get("/openapi.json").json()["paths"])
    assert {route.path_format for route in declared(app) if route.path.startswith("/v1/")} == described


def test_each_route_holds_to_its_rules(gateway: House) -> None:
    """Whoever is not let in by the rules gets 401, 404 or 413 from every route, before it does anything."""
    for route in declared(gateway.app):
        path = route.path_format.replace("{event_id}", "019ab0c2-5d1e-7c3a-9f6e-2b1d4a7c8e90")
        for method in route.asked_with:
            if isinstance(route, Guarded):
                large = gateway.client.ask(method, path, content=b"x" * (route.rules.body + 1))
                assert large.status_code in {401, 413}, path
            if route.rules.auth is Auth.SIGNED:
                answer = gateway.client.ask(method, path, headers={"content-type": "application/json"})
                assert answer.status_code == 401, path
            if route.rules.auth is Auth.TOKEN:
                assert gateway.client.ask(method, path).status_code in {401, 404}, path


def test_every_answer_has_the_headers(gateway: House) -> None:
    for path in ("/healthz", "/nothing", "/v1/events", "/openapi.json"):
        headers = gateway.client.get(path).headers
        for name, value in SECURITY:
            assert headers[name.decode()] == value.decode() or path == "/openapi.json"
