"""`hcp verify` finds nothing in a whole ledger, and each kind of damage by its name."""

from typing import Any

import pytest
from psycopg2.extensions import connection as Connection

from pipeline.ledger.portion import Portion
from pipeline.ledger.verify import CHECKS, verify
from schemas.topics import Stream
from tests.harness import case, decision, now, review
from tests.ledger.test_fold import Ledger, book, portion_of  # noqa: F401  `book` is a fixture

pytestmark = pytest.mark.system

DAMAGE = {
    "fates do not add up to the records read": "update stream_position set stored = stored + 1 where topic = 'other'",
    "records counted at the position are not those of the raw blocks": "delete from raw_block where first_offset = 3",
    "a hole below the position": "update raw_block set first_offset = first_offset + 1 where first_offset = 3",
    "records that the log lost before they were read (retention)": (
        "insert into log_gap (topic, partition, topic_id, from_offset, to_offset) values ('x', 0, 'id', 0, 7)"
    ),
    "dead letters are not as many as counted": "delete from dead_letter",
    "case records stored are not as many as counted": "delete from service where case_no = 'plain'",
    "reviews stored or in conflict are not as many as counted": "delete from review where case_no = 'plain'",
    "decisions stored are not as many as counted": "delete from decision",
    "a decision without its service's row": "update decision set case_no = 'nobody'",
    "conflicts are not as many as counted": "update counter set conflicts = conflicts + 1 where conflicts = 1",
    "a case version is missing, or one too many": "delete from case_version",
    "a case has not the content that its owner sent last, or is disputed and does not say so": (
        "update service set disputed = false where case_no = 'twice'"
    ),
    "a review without its service's row": "delete from service where case_no = 'orphan'",
    "a review counts that should not, or the other way round": "update review set effective = not effective where satisfaction = 2",
    "a match is missing or wrong": "update service set outcome = null where case_no = 'plain'",
    "a bad review without its ticket": "delete from ticket",
    "a ticket without its bad review": "update ticket set event_id = 'another'",
    "a ticket is not with the department that its case or its review names": "update ticket set routed_by = 'x'",
    "tickets wait for their department for more than ten minutes": (
        "insert into reroute (case_no, service_no, created_at) values ('plain', 1, now() - interval '11 minutes')"
    ),
    "what is kept of a service with many records is not what its rows say": (
        "update service set crowd = '{}' where case_no = 'plain'"
    ),
    "a counter is not what the rows say": "update counter set level_4 = level_4 + 1 where level_4 = 1",
    "rows of the outbox were not sent": "update outbox set created_at = now() - interval '2 minutes'",
    "rows of the outbox are set aside (see `hcp outbox list`)": "update outbox set set_aside_at = now(), error = 'too large'",
}


def portion(book: Ledger, stream: Stream, start: int, *events: dict[str, Any]) -> Portion:  # noqa: F811
    return portion_of(stream, start, *events, topic=book.settings.kafka.topic(stream))


@pytest.fixture
def story(book: Ledger) -> Ledger:  # noqa: F811
    """One of each: a match, versions, an orphan, a conflict, a default, a follow-up, a standalone, a dead letter."""
    prefix = book.settings.kafka.topic_prefix
    with book.connection.cursor() as cursor:
        cursor.execute("update stream_position set topic = %s || topic || '.v1'", [prefix])
        cursor.execute(
            "insert into stream_position (topic, partition, topic_id, first_offset, next_offset)"
            " values ('other', 0, 'id', 5, 5)"
        )
    book.connection.commit()
    bad = review("plain", 2, received_at=now(minutes=3))
    book.fold(
        portion(book, Stream.CASE, 0, case("plain"), case("twice"), case("twice", dept_code="610326")),
        portion(book, Stream.REVIEW, 0, bad, bad, review("plain", 5), {"event_id": "unreadable"}),
    )
    default = review("late", 5, channel="default")
    book.fold(portion(book, Stream.DECISION, 0, decision("plain", received_at=now(minutes=2))))
    book.fold(
        portion(book, Stream.CASE, 3, case("late")),
        portion(
            book,
            Stream.REVIEW,
            4,
            review("orphan", 1),
            review(None, 4),
            review("plain", 4, review_no=2),
            default,
        ),
    )
    return book


def test_a_whole_ledger_has_nothing_to_find(story: Ledger) -> None:
    assert [str(finding) for finding in verify(story.settings)] == []


def test_a_row_that_is_set_aside_is_not_one_that_was_not_sent(story: Ledger) -> None:
    with story.connection.cursor() as cursor:
        cursor.execute("update outbox set created_at = now() - interval '2 minutes', set_aside_at = now()")
    story.connection.commit()
    assert [finding.check for finding in verify(story.settings)] == [CHECKS[-1].name]
    with story.connection.cursor() as cursor:
        cursor.execute("update outbox set set_aside_at = null, retried_at = now()")
    story.connection.commit()
    assert verify(story.settings) == [], "it has been unsent since it was put back"


def test_every_check_has_its_damage() -> None:
    assert list(DAMAGE) == [check.name for check in CHECKS]


@pytest.mark.parametrize("check", DAMAGE)
def test_damage_is_found_by_name(story: Ledger, check: str) -> None:
    connection: Connection = story.connection
    with connection.cursor() as cursor:
        cursor.execute(DAMAGE[check])
        assert cursor.rowcount, "the damage must hit something"
    connection.commit()
    found = {finding.check: finding for finding in verify(story.settings)}
    assert check in found
    assert found[check].examples
    assert str(found[check]).startswith(f"{check}: ")
