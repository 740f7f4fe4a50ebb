"""JSON Schemas of the contract, generated from the structs: `python -m schemas.jsonschema` writes `schemas/json/`."""

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec

from schemas.events import CaseEvent, DecisionEvent, ReviewEvent, TicketEvent
from schemas.topics import Stream

KINDS = {
    Stream.CASE: CaseEvent,
    Stream.REVIEW: ReviewEvent,
    Stream.DECISION: DecisionEvent,
    Stream.TICKET: TicketEvent,
}


def file_name(stream: Stream) -> str:
    """The schema's file for what this topic carries."""
    return f"hcp.{stream.value}.json"


def generate(stream: Stream) -> dict[str, Any]:
    """The JSON Schema (2020-12) of a topic's value. Unknown fields are allowed, as the contract says."""
    schema = msgspec.json.schema(KINDS[stream])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"hcp.{stream.value}",
        **schema,
    }


def stored(stream: Stream) -> dict[str, Any]:
    """The schema as it lies in our package."""
    text = (files("schemas") / "json" / file_name(stream)).read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


if __name__ == "__main__":
    for stream in KINDS:
        path = Path(__file__).parent / "json" / file_name(stream)
        path.write_text(json.dumps(generate(stream), ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
