"""What the log must be told when a replayed ledger takes the live one's place: the differences, and nothing twice.

The outbox goes along with the swap, sent and unsent rows alike: it says what was told, and no replay can know that. What
is new is added to it: tickets opened, rerouted and redated, and dead letters.
"""

from datetime import UTC, datetime
from typing import Any

from psycopg2.extensions import cursor as Cursor

from pipeline.ledger import tables
from pipeline.ledger.copying import insert
from pipeline.ledger.decode import EPOCH, DeadLetter
from pipeline.ledger.outbox import dead_letter_row, ticket_event_row
from pipeline.ledger.portion import Record
from pipeline.rules.records import Place
from schemas.codes import Channel
from schemas.events import TicketEvent, TicketReview
from schemas.identifiers import derived_id

_TICKETS = """
    select t.ticket_id, t.dept_code, t.due_at, t.opened_at, s.version_received_at, r.satisfaction, r.channel, r.reason_codes,
        case when b.ticket_id is null then 'opened' when b.dept_code <> t.dept_code then 'rerouted' else 'redated' end
    from {after}.ticket t join {after}.review r using (case_no, service_no, review_no, event_id, digest)
    left join {after}.service s using (case_no, service_no) left join {before}.ticket b using (ticket_id)
    where b.ticket_id is null or ((b.dept_code, b.opened_at) <> (t.dept_code, t.opened_at)
        and not exists (select from office.ticket_step o where o.ticket_id = t.ticket_id))
    order by t.ticket_id"""
_LETTERS = """
    select topic, partition, "offset", reason, message, value, around, parts, records, appended_at
    from {after}.dead_letter
    where (topic, partition, topic_id, "offset") not in
        (select topic, partition, topic_id, "offset" from {before}.dead_letter) order by 1, 2, 3"""


def rows(cursor: Cursor, before: str, after: str) -> list[dict[str, Any]]:
    """Rows for the outbox: what the schema `after` says that `before` did not. Blocks.

    A department or date that changes is told while the ticket is new; what people have taken on is theirs.
    """
    cursor.execute(_TICKETS.format(before=before, after=after))
    steps = [ticket_event_row(_step(after, *row)) for row in cursor.fetchall()]
    cursor.execute(_LETTERS.format(before=before, after=after))
    return steps + [_letter(*row) for row in cursor.fetchall()]


def add(cursor: Cursor, news: list[dict[str, Any]]) -> None:
    """Put them into the outbox of the cursor's search path."""
    insert(cursor, tables.outbox, news)


def _step(
    schema: str, ticket_id: str, dept_code: str, due_at: datetime, opened_at: datetime, cased_at: datetime | None,
    satisfaction: int, channel: str, reason_codes: list[str], step: Any,
) -> TicketEvent:  # fmt: skip
    """The same ticket may have been rerouted there before: only `opened` has the id that it always has."""
    said = [dept_code, opened_at.isoformat()] + ([] if step == "opened" else [schema])
    return TicketEvent(
        event_id=str(derived_id(ticket_id, step, *said)),
        ticket_id=str(ticket_id),
        step=step,
        state="new",
        dept_code=dept_code,
        due_at=due_at,
        opened_at=opened_at,
        at=cased_at if step == "rerouted" and cased_at else opened_at,
        actor_role="system",
        review=TicketReview(satisfaction, Channel(channel), reason_codes),
    )


def _letter(
    topic: str,
    partition: int,
    offset: int,
    reason: str,
    message: str,
    value: memoryview,
    around: memoryview | None,
    parts: memoryview | None,
    records: int,
    at: datetime,
) -> dict[str, Any]:
    timestamp = round((at - EPOCH).total_seconds() * 1000)
    record = Record(offset, timestamp, None, (), None)
    place = Place(topic, partition, offset)
    letter = DeadLetter(record, place, reason, message, bytes(value), _bytes(around), _bytes(parts), records)
    return dead_letter_row(letter, at.astimezone(UTC).isoformat())


def _bytes(column: memoryview | None) -> bytes | None:
    return None if column is None else bytes(column)
