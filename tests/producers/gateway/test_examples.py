"""The served description: every example in it is what the schema beside it says, and an event is one for the worker, too."""

import copy
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

import jsonschema_rs
import msgspec
import pytest

from producers.gateway.cloudevents import TYPES
from producers.gateway.events import PATH
from schemas.events import CaseEvent, ReviewEvent
from schemas.reading import Invalid, read
from tests.producers.gateway.house import House

LATER = datetime(2026, 12, 1, tzinfo=UTC)
"""After the examples' own time."""
Document = dict[str, Any]


class Example(NamedTuple):
    """Where it stands, the schema beside it, and it."""

    where: str
    schema: Document
    value: Any


@pytest.fixture(scope="module")
def description(open_house: House) -> Document:
    described: Document = open_house.client.get("/openapi.json").json()
    return described


def beside(node: Any, where: str = "#") -> Iterator[Example]:
    """Every example in a part of the document: wherever there is a schema, its neighbours `example` and `examples`."""
    if isinstance(node, list):
        for n, inner in enumerate(node):
            yield from beside(inner, f"{where}/{n}")
    if not isinstance(node, dict):
        return
    if "schema" in node:
        values = [node["example"]] if "example" in node else []
        values += [one["value"] for one in node.get("examples", {}).values()]
        yield from (Example(where, node["schema"], value) for value in values)
    for name, inner in node.items():
        if name not in {"schema", "example", "examples"}:
            yield from beside(inner, f"{where}/{name}")


def bodies(node: Any, where: str = "#") -> Iterator[tuple[str, Document]]:
    """Every body: what stands under a media type."""
    for name, inner in node.items() if isinstance(node, dict) else ():
        if name == "content":
            yield from ((f"{where}/{media}", body) for media, body in inner.items())
        yield from bodies(inner, f"{where}/{name}")


def wrong(described: Document) -> list[str]:
    """Where an example is not what its schema says."""
    components = {"components": described["components"]}
    return [
        one.where
        for one in beside(described["paths"])
        if not jsonschema_rs.Draft202012Validator(one.schema | components).is_valid(one.value)
    ]


def test_every_example_is_what_its_schema_says(description: Document) -> None:
    assert len(list(beside(description["paths"]))) > 50
    assert wrong(description) == []


def test_every_body_has_an_example(description: Document) -> None:
    found = dict(bodies(description["paths"]))
    assert len(found) > 40
    assert [where for where, body in found.items() if not {"example", "examples"} & body.keys()] == []


def test_an_example_that_is_another_thing_is_found_out(description: Document) -> None:
    broken = copy.deepcopy(description)
    answers = broken["paths"][PATH]["post"]["responses"]
    del answers["422"]["content"]["application/problem+json"]["examples"]["invalid_event"]["value"]["title"]
    broken["paths"]["/v1/reviews"]["post"]["requestBody"]["content"]["application/json"]["example"][
        "satisfaction"
    ] = 6
    assert [
        where.endswith(("/422/content/application/problem+json", "/requestBody/content/application/json"))
        for where in wrong(broken)
    ] == [True, True]


def events(described: Document) -> list[tuple[str, str, Document]]:
    """Every event among the examples of POST /v1/events: its type, its id as the envelope has it, and it."""
    content = described["paths"][PATH]["post"]["requestBody"]["content"]
    single = [one["value"] for one in content["application/json"]["examples"].values()]
    told = [one["value"] for one in content["application/cloudevents+json"]["examples"].values()]
    told += content["application/cloudevents-batch+json"]["example"]
    kinds = {kind: name for name, kind in TYPES.items()}
    return [
        (kinds[ReviewEvent if "satisfaction" in one else CaseEvent], one["event_id"], one) for one in single
    ] + [(one["type"], one["id"], one["data"]) for one in told]


def test_every_event_is_one_that_the_worker_reads(description: Document) -> None:
    found = events(description)
    assert {kind for kind, _, _ in found} == set(TYPES)
    assert len(found) == 6
    for kind, ce_id, event in found:
        reading: Any = TYPES[kind]
        assert read(reading, msgspec.json.encode(event), LATER, ce_id).event_id == ce_id
    with pytest.raises(Invalid):
        read(ReviewEvent, msgspec.json.encode(found[0][2] | {"satisfaction": 6}), LATER)


def test_a_problem_is_shown_as_the_gateway_makes_it(description: Document, open_house: House) -> None:
    met = open_house.client.post(PATH, content=b"{}", headers={"content-type": "application/json"})
    shown = description["paths"][PATH]["post"]["responses"]["401"]["content"]["application/problem+json"]
    same = shown["examples"]["not_signed"]["value"]
    assert {name: met.json()[name] for name in ("type", "title", "status")} == {
        name: same[name] for name in ("type", "title", "status")
    }
    for operations in description["paths"].values():
        for operation in operations.values():
            for status, answer in operation["responses"].items():
                for body in answer["content"].values():
                    for one in body.get("examples", {}).values():
                        assert one["value"].get("status", int(status)) == int(status)
