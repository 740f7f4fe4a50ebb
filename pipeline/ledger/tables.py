"""The tables of the schema `ledger`: what the log decides. It is found through the search path.

Every key of the ledger's large tables begins with `case_no`, so it distributes on it.
"""

from typing import Any

from sqlalchemy import (
    ARRAY,
    DDL,
    JSON,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.event import listen

from pipeline.rules.measures import MEASURES

ledger = MetaData()

NOW = text("now()")


def text_column(name: str) -> Column[str]:
    """Text that is empty where nothing was said."""
    return Column(name, Text, nullable=False, server_default="")


def time_column(name: str, *, nullable: bool = False) -> Column[object]:
    """An instant."""
    return Column(name, DateTime(timezone=True), nullable=nullable)


def place() -> tuple[Column[str], Column[int], Column[int]]:
    """Where the record lies in the log."""
    return (
        Column("topic", Text, nullable=False),
        Column("partition", SmallInteger, nullable=False),
        Column("offset", BigInteger, nullable=False),
    )


def _flags() -> Column[object]:
    return Column("flags", ARRAY(Text), nullable=False, server_default="{}")


def _sender() -> Column[str]:
    comment = "who sent it, as our edge signed it; empty if it did not"
    return Column("sender", Text, nullable=False, server_default="", comment=comment)


def _event() -> tuple[Column[Any], ...]:
    """Which event of a service a row keeps, when and where it came, and what is odd about it."""
    return (
        Column("case_no", Text, primary_key=True),
        Column("service_no", SmallInteger, primary_key=True),
        Column("event_id", Text, primary_key=True),
        Column("digest", Uuid, primary_key=True),
        time_column("received_at"),
        *place(),
        _flags(),
    )


def _uncompressed(table: Table, *columns: str) -> None:
    """Have PostgreSQL not try to compress these: they are compressed or sealed, and trying costs more than writing them."""
    for column in columns:
        alter = DDL(f"alter table {table.name} alter column {column} set storage external")  # type: ignore[no-untyped-call]  # SQLAlchemy types it so
        listen(table, "after_create", alter)


service = Table(
    "service",
    ledger,
    Column("case_no", Text, primary_key=True),
    Column("service_no", SmallInteger, primary_key=True),
    Column(
        "placeholder", Boolean, nullable=False, comment="a review or a decision is here, its case is not yet"
    ),
    Column("event_id", Text, comment="of the version whose content holds"),
    Column("digest", Uuid),
    Column("status", Text),
    text_column("item_code"),
    text_column("item_name"),
    text_column("dept_code"),
    text_column("area_code"),
    text_column("hall_code"),
    text_column("window_code"),
    text_column("staff_id"),
    text_column("handling_mode"),
    text_column("source"),
    time_column("accepted_at", nullable=True),
    time_column("served_at", nullable=True),
    time_column("version_received_at", nullable=True),
    Column("received_at", DateTime(timezone=True), comment="the least of all versions and copies"),
    Column("topic", Text),
    Column("partition", SmallInteger),
    Column("offset", BigInteger),
    _flags(),
    Column(
        "versions",
        Integer,
        nullable=False,
        comment="case records kept; those beside this one in case_version",
    ),
    Column("reviews", Integer, nullable=False, comment="review records kept"),
    Column(
        "disputed",
        Boolean,
        nullable=False,
        comment="versions of others than the owner (pipeline.rules.ownership)",
    ),
    Column("outcome", Text, comment="matched, matched_late; null while the pair is not whole"),
    Column(
        "open_since",
        DateTime(timezone=True),
        comment="since when one half waits for the other; null if none does",
    ),
    Column(
        "crowd", JSON, comment="of a service with many records (pipeline.rules.crowd): not all are read again"
    ),
    _sender(),
)
Index("service_open", service.c.open_since, postgresql_where=service.c.open_since.is_not(None))
_kept = service.c.reviews + service.c.versions
Index("service_shared", _kept, postgresql_where=_kept >= 20)

case_version = Table(
    "case_version",
    ledger,
    *_event(),
    Column("event", JSON, nullable=False, comment="the contract's fields"),
    _sender(),
    Column(
        "dept_code",
        Text,
        nullable=False,
        comment="as `event` says: an index over JSON would read it each time",
    ),
    comment="case records whose content another version has replaced",
)
# A lookup by identity must not use this index, in which the event id comes too late: hence the condition, which always holds.
Index(
    "case_version_owner",
    case_version.c.case_no,
    case_version.c.service_no,
    case_version.c.sender,
    case_version.c.dept_code,
    case_version.c.received_at,
    case_version.c.event_id,
    case_version.c.digest,
    postgresql_ops={
        "event_id": "text_pattern_ops"
    },  # by code points, as Python compares, whatever the collation
    postgresql_where=text("received_at > '-infinity'"),
)

decision = Table(
    "decision",
    ledger,
    *_event(),
    Column("dept_code", Text, nullable=False),
    Column("decided_by", Text, nullable=False),
    Column("why", Text, nullable=False),
    _sender(),
    comment="whose a service is, as persons decided it: the last one holds (pipeline.rules.ownership)",
)

review = Table(
    "review",
    ledger,
    Column("case_no", Text, primary_key=True, comment="empty: a review of a place or person without a case"),
    Column("service_no", SmallInteger, primary_key=True),
    Column("review_no", SmallInteger, primary_key=True),
    Column("event_id", Text, primary_key=True),
    Column("digest", Uuid, primary_key=True),
    Column("effective", Boolean, nullable=False, comment="counts; a further one is a conflict or a default"),
    Column("satisfaction", SmallInteger, nullable=False),
    Column("channel", Text, nullable=False),
    Column("reason_codes", ARRAY(Text), nullable=False),
    text_column("comment"),
    time_column("submitted_at"),
    time_column("received_at"),
    text_column("dept_code"),
    text_column("item_code"),
    text_column("hall_code"),
    text_column("window_code"),
    text_column("staff_id"),
    text_column("device_id"),
    Column("device_seq", BigInteger),
    Column("device_prev", Text),
    Column("real_name", Boolean, nullable=False),
    Column("reviewer", Text, comment="sealed"),
    text_column("reviewer_mark"),
    *place(),
    _flags(),
    Column("sent_digest", Text, comment="SHA-256 of the JSON as a counting device sent it"),
    _sender(),
)
Index(
    "review_device",
    review.c.device_id,
    review.c.device_seq,
    postgresql_where=review.c.device_seq.is_not(None),
)
Index(
    "review_event",
    review.c.event_id,
    postgresql_using="brin",
    postgresql_ops={"event_id": "text_bloom_ops"},
    postgresql_with={"pages_per_range": 32},
)
# What no vacuum has seen yet, this index does not know, and it is read whole: 2 % of the table at most, not 20 %.
_VACUUM = "alter table review set (autovacuum_vacuum_insert_scale_factor = 0.02)"
listen(review, "after_create", DDL(_VACUUM))  # type: ignore[no-untyped-call]  # SQLAlchemy types it so

ticket = Table(
    "ticket",
    ledger,
    Column("ticket_id", Uuid, primary_key=True),
    Column("case_no", Text, nullable=False),
    Column("service_no", SmallInteger, nullable=False),
    Column("review_no", SmallInteger, nullable=False),
    Column("event_id", Text, nullable=False),
    Column("digest", Uuid, nullable=False),
    Column("satisfaction", SmallInteger, nullable=False),
    Column("dept_code", Text, nullable=False),
    Column("routed_by", Text, nullable=False, comment="case, hint or county"),
    time_column("opened_at"),
    time_column("contact_due_at"),
    time_column("due_at"),
    Column("provisional", Boolean, nullable=False, comment="due in a year without a published calendar"),
)
Index("ticket_event", ticket.c.event_id)
Index("ticket_service", ticket.c.case_no, ticket.c.service_no, ticket.c.ticket_id)

reroute = Table(
    "reroute",
    ledger,
    Column("case_no", Text, primary_key=True),
    Column("service_no", SmallInteger, primary_key=True),
    Column("after", Uuid, comment="the last ticket done; null: none yet"),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=NOW),
    comment="services whose tickets the sweep has yet to give to another department, they are many",
)

resettle = Table(
    "resettle",
    ledger,
    Column("case_no", Text, primary_key=True),
    Column("service_no", SmallInteger, primary_key=True),
    comment="services that the sweep has yet to judge by the rules of a new release; its migration notes them",
)

counter = Table(
    "counter",
    ledger,
    Column(
        "stripe", SmallInteger, primary_key=True, comment="workers write stripes of their own; sum over them"
    ),
    Column("day", Date, primary_key=True),
    Column("dept_code", Text, primary_key=True),
    Column("handling_mode", Text, primary_key=True, comment="online, offline; empty without a case"),
    *(Column(name, BigInteger, nullable=False) for name in MEASURES),
)

stream_position = Table(
    "stream_position",
    ledger,
    Column("topic", Text, primary_key=True),
    Column("partition", SmallInteger, primary_key=True),
    Column("topic_id", Text, primary_key=True, comment="changes when a topic is made anew"),
    Column("first_offset", BigInteger, nullable=False, comment="where reading began"),
    Column("next_offset", BigInteger, nullable=False, comment="everything before it is in the ledger"),
    *(
        Column(name, BigInteger, nullable=False, server_default="0")
        for name in ("records", "stored", "duplicate", "conflict", "dead_letter", "skipped")
    ),
    Column(
        "retired_at", DateTime(timezone=True), comment="when an officer of ops adopted the topic's successor"
    ),
    Column("moved_at", DateTime(timezone=True), nullable=False, server_default=NOW),
)
Index(
    "stream_position_current",
    stream_position.c.topic,
    stream_position.c.partition,
    unique=True,
    postgresql_where=stream_position.c.retired_at.is_(None),
)

log_gap = Table(
    "log_gap",
    ledger,
    Column("topic", Text, primary_key=True),
    Column("partition", SmallInteger, primary_key=True),
    Column("topic_id", Text, primary_key=True),
    Column("from_offset", BigInteger, primary_key=True),
    Column("to_offset", BigInteger, nullable=False, comment="first offset that the log still has"),
    Column("found_at", DateTime(timezone=True), nullable=False, server_default=NOW),
    comment="records that retention deleted before the ledger had them: a loss",
)

raw_block = Table(
    "raw_block",
    ledger,
    Column("topic", Text, primary_key=True),
    Column("partition", SmallInteger, primary_key=True),
    Column("topic_id", Text, primary_key=True),
    Column("first_offset", BigInteger, primary_key=True),
    Column("end_offset", BigInteger, nullable=False),
    Column("records", Integer, nullable=False),
    Column("data", LargeBinary, nullable=False, comment="lz4 of MessagePack, see pipeline.ledger.raw"),
    comment="what the log said, record by record, identities sealed",
)
_uncompressed(raw_block, "data")

dead_letter = Table(
    "dead_letter",
    ledger,
    Column("topic", Text, primary_key=True),
    Column("partition", SmallInteger, primary_key=True),
    Column("topic_id", Text, primary_key=True),
    Column("offset", BigInteger, primary_key=True),
    Column("key", LargeBinary, comment="in clear, of letters from before `around`"),
    Column("value", LargeBinary, nullable=False, comment="sealed"),
    Column("headers", JSON, nullable=False, comment="in clear, as `key`; else empty"),
    Column("around", LargeBinary, comment="sealed: key and headers"),
    Column("reason", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("parts", LargeBinary, comment="sealed: what is kept of a record that could not be kept as it was"),
    Column("records", Integer, nullable=False, server_default="1", comment="offsets that it stands for"),
    Column("version", Text, nullable=False, comment="of the code that refused it"),
    time_column("appended_at"),
)

outbox = Table(
    "outbox",
    ledger,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("stream", Text, nullable=False),
    Column("key", LargeBinary),
    Column("headers", JSON, nullable=False, comment="[[name, base64], …]"),
    Column("value", LargeBinary),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=NOW),
    time_column("sent_at", nullable=True),
    Column("set_aside_at", DateTime(timezone=True), comment="when Kafka refused the row for what it is"),
    Column("error", Text, comment="why"),
    Column("retried_at", DateTime(timezone=True), comment="when a person put it back"),
    Column("retried_by", Text),
)
_uncompressed(dead_letter, "value", "around", "parts")
_uncompressed(outbox, "value")
Index(
    "outbox_unsent",
    outbox.c.stream,
    outbox.c.id,
    postgresql_where=outbox.c.sent_at.is_(None) & outbox.c.set_aside_at.is_(None),
)
Index("outbox_set_aside", outbox.c.id, postgresql_where=outbox.c.set_aside_at.is_not(None))

repair = Table(
    "repair",
    ledger,
    Column("case_no", Text, primary_key=True),
    Column("service_no", SmallInteger, primary_key=True),
    Column("found_at", DateTime(timezone=True), primary_key=True, server_default=NOW),
    comment="matches that the sweep found missing: stays empty, or there is a defect",
)
