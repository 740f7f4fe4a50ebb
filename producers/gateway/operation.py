"""What a route says of itself to those who program against it: words, types and an example; `description` makes OpenAPI of it."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

JSON = "application/json"
REF = "#/components/schemas/{name}"
"""Where a type's schema is."""


class Body(NamedTuple):
    """A body. `schema`: a type that msgspec knows, or a JSON Schema; `example`: as it stands in JSON.

    `examples`: several, by name, where it may be one of several things; `example` is not shown then.
    """

    schema: Any
    example: Any = None
    examples: Mapping[str, Any] = {}

    def shown(self) -> dict[str, Any]:
        """Its example, or its examples, as OpenAPI has them."""
        if not self.examples:
            return {"example": self.example}
        return {"examples": {name: {"value": value} for name, value in self.examples.items()}}


class Operation(NamedTuple):
    """One route's. `takes`: bodies by media type; `gives`: bodies of success by status; `headers`: that may be sent.

    `refuses`: statuses of problems beside those that the route's rules bring with them.
    """

    summary: str
    gives: Mapping[int, Body]
    takes: Mapping[str, Body] = {}
    headers: Sequence[Mapping[str, Any]] = ()
    refuses: Sequence[int] = ()
    media: str = JSON


def header(name: str, about: str, example: str, **schema: Any) -> dict[str, Any]:
    """A header that may be sent, as OpenAPI has it. `schema`: of JSON Schema; text, where it says nothing else."""
    return {
        "name": name,
        "in": "header",
        "description": about,
        "schema": {"type": "string"} | schema,
        "example": example,
    }
