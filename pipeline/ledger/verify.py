"""`hcp verify`: is the ledger what the log and the rules say it must be? One snapshot, one question an invariant."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from kafka.errors import KafkaError
from sqlalchemy import Connection, text

from pipeline.ledger import recount
from pipeline.ledger.blockades import STANDING
from pipeline.ledger.crowds import survey
from pipeline.ledger.engine import opened_engine
from pipeline.ledger.standing import standing
from pipeline.log import watermarks
from pipeline.privacy import mask
from pipeline.settings import Settings
from pipeline.times import shown
from schemas.topics import Stream

SHOWN = 5
"""Examples that a finding names."""
OUTBOX_SECONDS = 60
"""The relay looks four times a second; what lies longer is stuck."""


class Finding(NamedTuple):
    """Something that is not as it must be: which invariant, how many rows, some of them."""

    check: str
    rows: int
    examples: list[str]

    def __str__(self) -> str:
        """A sentence for people."""
        more = ", …" if self.rows > len(self.examples) else ""
        return f"{self.check}: {self.rows} ({'; '.join(self.examples)}{more})"


class Check(NamedTuple):
    """What is wrong if `query` gives rows."""

    name: str
    query: str


_KEY = "case_no || '/' || service_no as service"

_STANDING = ("select * from stream_position where retired_at is null", STANDING, "select now()")
CHECKS = (
    Check(
        "fates do not add up to the records read",
        """select topic, partition, records, stored + duplicate + conflict + dead_letter + skipped as fates
        from stream_position where records <> stored + duplicate + conflict + dead_letter + skipped""",
    ),
    Check(
        "records counted at the position are not those of the raw blocks",
        """select p.topic, p.partition, p.records, coalesce(sum(b.records), 0) as in_blocks
        from stream_position p left join raw_block b using (topic, partition, topic_id)
        group by p.topic, p.partition, p.topic_id, p.records having p.records <> coalesce(sum(b.records), 0)""",
    ),
    Check(
        "a hole below the position",
        """select topic, partition, until, first_offset as next_block from (
            select topic, partition, topic_id, first_offset,
                lag(end_offset, 1, 0) over w as until, row_number() over w as n from (
                select topic, partition, topic_id, first_offset, end_offset from raw_block
                union all select topic, partition, topic_id, from_offset, to_offset from log_gap
                union all select topic, partition, topic_id, first_offset, first_offset from stream_position
                union all select topic, partition, topic_id, next_offset, next_offset from stream_position) ranges
            window w as (partition by topic, partition, topic_id order by first_offset, end_offset)) chain
        where n > 1 and until <> first_offset""",
    ),
    Check(
        "records that the log lost before they were read (retention)",
        "select topic, partition, from_offset, to_offset from log_gap",
    ),
    Check(
        "dead letters are not as many as counted",
        """select p.topic, p.partition, p.dead_letter, coalesce(sum(d.records), 0) as kept
        from stream_position p left join dead_letter d using (topic, partition, topic_id)
        group by p.topic, p.partition, p.topic_id, p.dead_letter having p.dead_letter <> coalesce(sum(d.records), 0)""",
    ),
    Check(
        "case records stored are not as many as counted",
        """select counted, kept from
            (select coalesce(sum(stored), 0) as counted from stream_position where topic = :case_topic) c,
            (select coalesce(sum(versions), 0) as kept from service) k where counted <> kept""",
    ),
    Check(
        "reviews stored or in conflict are not as many as counted",
        """select counted, kept from
            (select coalesce(sum(stored + conflict), 0) as counted from stream_position where topic = :review_topic) c,
            (select count(*) as kept from review) k where counted <> kept""",
    ),
    Check(
        "decisions stored are not as many as counted",
        """select counted, kept from
            (select coalesce(sum(stored), 0) as counted from stream_position where topic = :decision_topic) c,
            (select count(*) as kept from decision) k where counted <> kept""",
    ),
    Check(
        "a decision without its service's row",
        f"""select {_KEY}, count(*) from decision d where not exists
        (select from service s where s.case_no = d.case_no and s.service_no = d.service_no) group by case_no, service_no""",
    ),
    Check(
        "conflicts are not as many as counted",
        """select counted, kept from
            (select coalesce(sum(conflict), 0) as counted from stream_position) c,
            (select coalesce(sum(conflicts), 0) as kept from counter) k where counted <> kept""",
    ),
    Check(
        "a case version is missing, or one too many",
        f"""select {_KEY}, versions, count(v.*) + (not placeholder)::int as kept
        from service s left join case_version v using (case_no, service_no)
        group by case_no, service_no, versions, placeholder having versions <> count(v.*) + (not placeholder)::int""",
    ),
    Check(
        "a case has not the content that its owner sent last, or is disputed and does not say so",
        f"""with {recount.OWNED} select {_KEY}, c.event_id, owner, true_disputed, s.disputed
        from content c join service s using (case_no, service_no)
        where is_wrong or (current and true_disputed is distinct from s.disputed)""",
    ),
    Check(
        "a review without its service's row",
        f"""select {_KEY}, count(*) from review r where case_no <> '' and not exists
        (select from service s where s.case_no = r.case_no and s.service_no = r.service_no) group by case_no, service_no""",
    ),
    Check(
        "a review counts that should not, or the other way round",
        f"with {recount.SETTLED} select {_KEY}, review_no, event_id, effective from ranked where effective <> counts",
    ),
    Check(
        "a match is missing or wrong",
        f"""with {recount.SETTLED} select {_KEY}, outcome, true_outcome, open_since, true_open_since from settled
        where outcome is distinct from true_outcome or open_since is distinct from true_open_since""",
    ),
    Check(
        "a bad review without its ticket",
        f"""select {_KEY}, event_id from review r where satisfaction <= 2 and not exists (
            select from ticket t where t.case_no = r.case_no and t.service_no = r.service_no
            and t.review_no = r.review_no and t.event_id = r.event_id and t.digest = r.digest)""",
    ),
    Check(
        "a ticket without its bad review",
        f"""select {_KEY}, ticket_id from ticket t where not exists (
            select from review r where t.case_no = r.case_no and t.service_no = r.service_no
            and t.review_no = r.review_no and t.event_id = r.event_id and t.digest = r.digest and r.satisfaction <= 2)""",
    ),
    Check(
        "a ticket is not with the department that its case or its review names",
        f"""select {_KEY}, ticket_id, t.dept_code, t.routed_by from ticket t
        join review r using (case_no, service_no, review_no, event_id, digest)
        left join service s using (case_no, service_no)
        where (t.dept_code, t.routed_by) is distinct from (
            case when not s.placeholder then s.dept_code else coalesce(nullif({recount.hint("r")}, ''), :county) end,
            case when not s.placeholder then 'case' when {recount.hint("r")} <> '' then 'hint' else 'county' end)
        and not exists (select from reroute n where (n.case_no, n.service_no) = (t.case_no, t.service_no))""",
    ),
    Check(
        "tickets wait for their department for more than ten minutes",
        f"select {_KEY}, created_at from reroute where created_at < now() - interval '10 minutes'",
    ),
    Check(
        "what is kept of a service with many records is not what its rows say",
        f"""with surveyed as ({survey("s.crowd is not null", ":collection", ":inspection")})
        select {_KEY}, s.reviews, o.reviews as kept, s.versions, o.versions as versions_kept, s.crowd, o.crowd as true_crowd
        from surveyed o join service s using (case_no, service_no)
        where (s.reviews, s.versions, s.crowd::jsonb) is distinct from (o.reviews, o.versions, o.crowd)""",
    ),
    Check("a counter is not what the rows say", recount.DIFFERENCES),
    Check(
        "rows of the outbox were not sent",
        """select stream, count(*), min(created_at) as oldest from outbox where sent_at is null and set_aside_at is null
        and coalesce(retried_at, created_at) < now() - make_interval(secs => :outbox_seconds) group by stream""",
    ),
    Check(
        "rows of the outbox are set aside (see `hcp outbox list`)",
        "select id, stream, error from outbox where set_aside_at is not null order by id",
    ),
)


def still(settings: Settings) -> list[Finding]:
    """Positions that stand still. Blocks. Raises sqlalchemy errors when the database is away."""
    try:
        with opened_engine(settings.database, "verify", pool_size=1) as pool, pool.connect() as connection:
            marks, kafka = watermarks(settings.kafka), settings.kafka
            positions, blocked, now = (
                [row._asdict() for row in connection.execute(text(query))] for query in _STANDING
            )
            found = standing(kafka, marks, positions, blocked, now[0]["now"])
    except KafkaError as error:
        return [Finding("positions cannot be compared with the log, which does not answer", 1, [str(error)])]
    said = [one.sentence for one in found]
    return [Finding("positions stand still", len(said), said)] if said else []


def verify(settings: Settings) -> list[Finding]:
    """Everything that is wrong with the rows; empty if the ledger is whole. Blocks; may run while the worker folds.

    Raises sqlalchemy errors when the database is away.
    """
    with opened_engine(settings.database, "verify", pool_size=1) as pool, pool.connect() as connection:
        snapshot = connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        return list(_findings(snapshot, _parameters(settings), settings.rules.zone))


def _parameters(settings: Settings) -> dict[str, Any]:
    return recount.parameters(settings) | {
        "case_topic": settings.kafka.topic(Stream.CASE),
        "review_topic": settings.kafka.topic(Stream.REVIEW),
        "decision_topic": settings.kafka.topic(Stream.DECISION),
        "outbox_seconds": OUTBOX_SECONDS,
    }


def _findings(connection: Connection, parameters: dict[str, Any], zone: ZoneInfo) -> Iterator[Finding]:
    for check in CHECKS:
        rows = connection.execute(text(check.query), parameters).all()
        if rows:
            yield Finding(check.name, len(rows), [_said(row._asdict(), zone) for row in rows[:SHOWN]])


def _said(row: dict[str, Any], zone: ZoneInfo) -> str:
    """A row in words; a phone that somebody took for a case's number is masked."""
    return " ".join(f"{name}={_cell(value, zone)}" for name, value in row.items())


def _cell(value: Any, zone: ZoneInfo) -> str:
    return shown(value, zone) if isinstance(value, datetime) else mask(str(value))
