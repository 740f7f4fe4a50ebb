"""What of a portion is still due, and when a record was received, near enough to align partitions by."""

from datetime import UTC, datetime

import pytest

from pipeline.ledger.portion import Portion, Record, received_at
from schemas.topics import Stream

MS = 1_795_399_200_500


def record(offset: int = 0, value: bytes | None = b"{}") -> Record:
    return Record(offset, MS, b"k", (), value)


def test_what_lies_at_or_behind_an_offset_is_still_due() -> None:
    whole = Portion(Stream.REVIEW, "t", 2, 3, 9, [record(n) for n in (3, 5, 8)])
    assert whole.since(5) == Portion(Stream.REVIEW, "t", 2, 5, 9, [record(5), record(8)])
    assert whole.since(6) == Portion(Stream.REVIEW, "t", 2, 6, 9, [record(8)])
    assert whole.since(1) == whole


def test_a_record_was_received_when_its_body_says() -> None:
    said = record(value=b'{"received_at": "2026-11-20T01:00:00Z", "shoe_size": 44}')
    assert received_at(said) == datetime(2026, 11, 20, 1, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    "value", [None, b"", b"{}", b"{", b'{"received_at": null}', b'{"received_at": "soon"}']
)
def test_else_when_the_log_took_it(value: bytes | None) -> None:
    assert received_at(record(value=value)) == MS / 1000
