"""The JSON Schemas that foreign senders read agree with the structs that we read with."""

import pytest

from schemas.events import CaseEvent, ReviewEvent
from schemas.jsonschema import KINDS, generate, stored
from schemas.topics import Stream


@pytest.mark.parametrize("stream", KINDS)
def test_the_stored_schema_is_the_generated_one(stream: Stream) -> None:
    assert stored(stream) == generate(stream), "run `python -m schemas.jsonschema`"


@pytest.mark.parametrize(("stream", "kind"), [(Stream.CASE, CaseEvent), (Stream.REVIEW, ReviewEvent)])
def test_the_schema_names_every_field(stream: Stream, kind: type[CaseEvent | ReviewEvent]) -> None:
    definition = stored(stream)["$defs"][kind.__name__]
    assert set(definition["properties"]) == set(kind.__struct_fields__)


def test_the_schema_demands_what_the_contract_demands() -> None:
    case, review = (
        stored(s)["$defs"][k]["required"]
        for s, k in ((Stream.CASE, "CaseEvent"), (Stream.REVIEW, "ReviewEvent"))
    )
    assert set(case) == {"case_no", "status", "item_code", "dept_code", "handling_mode", "served_at"}
    assert set(review) == {"satisfaction", "channel", "submitted_at"}
