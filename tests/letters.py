"""Dead letters for tests: made up, or in a ledger, folded by the real fold."""

import json
from datetime import UTC, datetime
from typing import Any

from pipeline.ledger.dead_letters import Filter, Letter, Line, Name, State, find
from pipeline.ledger.portion import Headers, Portion, Record
from pipeline.sealing import Sealer
from schemas.topics import Stream
from tests.harness import review
from tests.ledger.test_fold import Ledger

APPENDED = datetime(2026, 11, 20, 9, tzinfo=UTC)
TOPIC = "hcp.review.v1"


def letter(value: bytes, sealer: Sealer, headers: Headers = (), appended_at: datetime = APPENDED) -> Letter:
    """A letter that nobody has done anything with."""
    name = Name(TOPIC, 0, 7, "id")
    sealed = sealer.seal(value, TOPIC, "0", "7", at=appended_at).encode()
    return Letter(Line(name, "not_json", "m", appended_at, State.OPEN), "1", b"key", headers, sealed)


def unreadable() -> dict[str, Any]:
    """A review whose satisfaction is text."""
    return review("A", 5) | {"satisfaction": "5"}


def refuse(book: Ledger, *values: bytes | dict[str, Any], at: datetime = APPENDED, start: int = 0) -> None:
    """Fold these records, which are no events, at offsets from `start` of the review topic; a second between them."""
    topic = book.settings.kafka.topic(Stream.REVIEW)
    at_ms = int(at.timestamp() * 1000)
    with book.connection.cursor() as cursor:
        cursor.execute(
            "insert into stream_position (topic, partition, topic_id, first_offset, next_offset) values (%s, 0, 'id', 0, 0)"
            " on conflict do nothing",
            [topic],
        )
    records = [
        Record(start + n, at_ms + 1000 * n, b"k", (), v if isinstance(v, bytes) else json.dumps(v).encode())
        for n, v in enumerate(values)
    ]
    book.fold(Portion(Stream.REVIEW, topic, 0, start, start + len(values), records))


def letters_of(book: Ledger, wanted: Filter | None = None) -> list[Line]:
    """What a filter finds; the open ones without one."""
    with book.pool.connect() as connection:
        return find(connection, wanted or Filter())
