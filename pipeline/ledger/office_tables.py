"""The tables of the schema `office`: what people decide, and who runs. No log has it, so a backup must."""

from sqlalchemy import (
    ARRAY,
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    Table,
    Text,
    Uuid,
)

from pipeline.ledger.tables import NOW, place, text_column, time_column

office = MetaData(schema="office")

department = Table(
    "department",
    office,
    Column("dept_code", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("items", Integer, nullable=False, comment="services in its catalogue"),
    Column("provisional", Boolean, nullable=False, comment="a code of ours, until the county loads its own"),
)

town = Table(
    "town",
    office,
    Column("area_code", Text, primary_key=True),
    Column("name", Text, nullable=False),
)

ticket_step = Table(
    "ticket_step",
    office,
    Column("ticket_id", Uuid, primary_key=True),
    Column("step_no", Integer, primary_key=True),
    Column("step", Text, nullable=False),
    Column("state", Text, nullable=False, comment="the ticket's state after this step"),
    Column("dept_code", Text, nullable=False),
    Column("actor_role", Text, nullable=False),
    Column("note", Text, nullable=False, server_default=""),
    Column("at", DateTime(timezone=True), nullable=False, server_default=NOW),
    comment="what people did with a ticket; a ticket without a step is new",
)

dead_letter_action = Table(
    "dead_letter_action",
    office,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    *place(),
    Column("topic_id", Text, nullable=False, comment="of the topic in which the letter lay"),
    Column("action", Text, nullable=False, comment="retry, edit, discard"),
    Column("actor", Text, nullable=False, comment="name in the operating system"),
    Column("reason", Text, nullable=False, server_default="", comment="why it was discarded"),
    Column("event_id", Text, comment="of the record sent; null if none could be read"),
    Column("sent_topic", Text, comment="where the record sent lies"),
    Column("sent_partition", SmallInteger),
    Column("sent_offset", BigInteger),
    Column("at", DateTime(timezone=True), nullable=False, server_default=NOW),
    comment="what people did with dead letters; the last one is the letter's state, without one it is open",
)
Index(
    "dead_letter_action_letter",
    *(dead_letter_action.c[name] for name in ("topic", "partition", "offset", "topic_id", "id")),
)

component = Table(
    "component",
    office,
    Column("name", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False, server_default=NOW, comment="heartbeat"),
    Column("error", Text, nullable=False, server_default="", comment="the last one"),
    time_column("error_at", nullable=True),
    Column("starts", BigInteger, nullable=False, server_default="0", comment="how often a process started"),
    Column(
        "started",
        ARRAY(DateTime(timezone=True)),
        nullable=False,
        server_default="{}",
        comment="the last few times, the newest first",
    ),
    comment="who runs, and what last went wrong",
)

position_skip = Table(
    "position_skip",
    office,
    *(Column(c.name, c.type, primary_key=True) for c in place()),
    Column("topic_id", Text, primary_key=True, comment="of the topic in which the record lies"),
    Column("why", Text, nullable=False),
    Column("actor", Text, nullable=False, comment="name in the operating system"),
    Column("at", DateTime(timezone=True), nullable=False, server_default=NOW),
    comment="records that people had the fold step over; a replay does so, too",
)

blocked_partition = Table(
    "blocked_partition",
    office,
    Column("topic", Text, primary_key=True),
    Column("partition", SmallInteger, primary_key=True),
    Column("offset", BigInteger, nullable=False, comment="of the record that is in the way"),
    Column("component", Text, nullable=False, comment="the worker that tries it again and again"),
    Column("error", Text, nullable=False),
    Column("since", DateTime(timezone=True), nullable=False, server_default=NOW),
    comment="partitions whose next record fails of itself; one that is folded again is here no more",
)

replay = Table(
    "replay",
    office,
    Column("schema", Text, primary_key=True),
    Column("source", Text, nullable=False, comment="raw or log"),
    Column("rules", JSON, nullable=False, comment="all of settings.Rules that it folds by"),
    Column("since", ARRAY(Text), nullable=False, server_default="{}"),
    Column("until", ARRAY(Text), nullable=False, server_default="{}"),
    Column("revision", Text, nullable=False, comment="of the tables that it made"),
    Column("state", Text, nullable=False, comment="running, done, accepted, dropped"),
    Column("begun_by", Text, nullable=False),
    Column("begun_at", DateTime(timezone=True), nullable=False, server_default=NOW),
    Column("ended_by", Text, nullable=False, server_default="", comment="who accepted or dropped it"),
    time_column("ended_at", nullable=True),
    text_column("why"),
    Column("kept_as", Text, nullable=False, server_default="", comment="the schema of the ledger before"),
    Column("diff", JSON, comment="the published numbers, before and after"),
    comment="ledgers replayed beside the live one, and what became of them",
)

replay_finding = Table(
    "replay_finding",
    office,
    Column("schema", Text, primary_key=True),
    Column("ticket_id", Uuid, primary_key=True),
    Column("steps", Integer, nullable=False, comment="kept in ticket_step"),
    Column("found_at", DateTime(timezone=True), nullable=False, server_default=NOW),
    comment="tickets that people worked on and that the accepted replay does not have",
)

epoch = Table(
    "epoch",
    office,
    Column("name", Text, primary_key=True),
    time_column("at"),
    comment="from when on, by the log's clock, a rule holds; set by the migration that brings it, never changed",
)

device = Table(
    "device",
    office,
    Column("device_id", Text, primary_key=True),
    Column("kind", Text, nullable=False, comment="terminal, system"),
    text_column("name"),
    Column("channels", ARRAY(Text), nullable=False, comment="for which it may speak; empty: cases only"),
    text_column("dept_code"),
    text_column("hall_code"),
    text_column("window_code"),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=NOW),
    time_column("revoked_at", nullable=True),
    Column(
        "placeholders",
        ARRAY(Text),
        nullable=False,
        server_default="{}",
        comment="the numbers that it sends for no case, cleaned",
    ),
    Column("per_minute", Integer, comment="events that it may send; null: as any other"),
    Column("version_1_until", DateTime(timezone=True), comment="may sign with version 1 until; null: never"),
    Column("version_2_seen_at", DateTime(timezone=True), comment="first signed with version 2, while it may"),
    comment="who may send to the gateway, and for which place; an empty place is any",
)

device_key = Table(
    "device_key",
    office,
    Column("device_id", Text, primary_key=True),
    Column("key_id", Text, primary_key=True),
    Column("secret", Text, nullable=False, comment="sealed, about device and key id"),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=NOW),
    Column(
        "not_after", DateTime(timezone=True), comment="set when another key follows: both hold for a while"
    ),
    comment="what a device signs with",
)
