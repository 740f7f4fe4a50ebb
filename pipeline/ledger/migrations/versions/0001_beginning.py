"""The ledger and the office, as they begin."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "case_version",
        sa.Column("case_no", sa.Text(), nullable=False),
        sa.Column("service_no", sa.SmallInteger(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("digest", sa.Uuid(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("partition", sa.SmallInteger(), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("flags", sa.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("event", sa.JSON(), nullable=False, comment="the contract's fields"),
        sa.PrimaryKeyConstraint("case_no", "service_no", "event_id", "digest"),
        comment="case records whose content another version has replaced",
    )
    op.create_table(
        "counter",
        sa.Column(
            "stripe",
            sa.SmallInteger(),
            nullable=False,
            comment="workers write stripes of their own; sum over them",
        ),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("dept_code", sa.Text(), nullable=False),
        sa.Column(
            "handling_mode", sa.Text(), nullable=False, comment="online, offline; empty without a case"
        ),
        sa.Column("services", sa.BigInteger(), nullable=False),
        sa.Column("reviewed", sa.BigInteger(), nullable=False),
        sa.Column("disputed", sa.BigInteger(), nullable=False),
        sa.Column("cases_on_time", sa.BigInteger(), nullable=False),
        sa.Column("matched", sa.BigInteger(), nullable=False),
        sa.Column("matched_late", sa.BigInteger(), nullable=False),
        sa.Column("unpaired", sa.BigInteger(), nullable=False),
        sa.Column("standalone", sa.BigInteger(), nullable=False),
        sa.Column("level_1", sa.BigInteger(), nullable=False),
        sa.Column("level_2", sa.BigInteger(), nullable=False),
        sa.Column("level_3", sa.BigInteger(), nullable=False),
        sa.Column("level_4", sa.BigInteger(), nullable=False),
        sa.Column("level_5", sa.BigInteger(), nullable=False),
        sa.Column("default_1", sa.BigInteger(), nullable=False),
        sa.Column("default_2", sa.BigInteger(), nullable=False),
        sa.Column("default_3", sa.BigInteger(), nullable=False),
        sa.Column("default_4", sa.BigInteger(), nullable=False),
        sa.Column("default_5", sa.BigInteger(), nullable=False),
        sa.Column("follow_ups", sa.BigInteger(), nullable=False),
        sa.Column("conflicts", sa.BigInteger(), nullable=False),
        sa.Column("review_records", sa.BigInteger(), nullable=False),
        sa.Column("reviews_on_time", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("stripe", "day", "dept_code", "handling_mode"),
    )
    op.create_table(
        "dead_letter",
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("partition", sa.SmallInteger(), nullable=False),
        sa.Column("topic_id", sa.Text(), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=True),
        sa.Column("value", sa.LargeBinary(), nullable=False, comment="sealed"),
        sa.Column("headers", sa.JSON(), nullable=False, comment="[[name, base64], …]"),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False, comment="of the code that refused it"),
        sa.Column("appended_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("topic", "partition", "topic_id", "offset"),
    )
    op.create_table(
        "log_gap",
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("partition", sa.SmallInteger(), nullable=False),
        sa.Column("topic_id", sa.Text(), nullable=False),
        sa.Column("from_offset", sa.BigInteger(), nullable=False),
        sa.Column(
            "to_offset", sa.BigInteger(), nullable=False, comment="first offset that the log still has"
        ),
        sa.Column("found_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("topic", "partition", "topic_id", "from_offset"),
        comment="records that retention deleted before the ledger had them: a loss",
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=True),
        sa.Column("headers", sa.JSON(), nullable=False, comment="[[name, base64], …]"),
        sa.Column("value", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "outbox_unsent", "outbox", ["id"], unique=False, postgresql_where=sa.text("sent_at IS NULL")
    )
    op.create_table(
        "raw_block",
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("partition", sa.SmallInteger(), nullable=False),
        sa.Column("topic_id", sa.Text(), nullable=False),
        sa.Column("first_offset", sa.BigInteger(), nullable=False),
        sa.Column("end_offset", sa.BigInteger(), nullable=False),
        sa.Column("records", sa.Integer(), nullable=False),
        sa.Column(
            "data", sa.LargeBinary(), nullable=False, comment="lz4 of MessagePack, see pipeline.ledger.raw"
        ),
        sa.PrimaryKeyConstraint("topic", "partition", "topic_id", "first_offset"),
        comment="what the log said, record by record, identities sealed",
    )
    op.create_table(
        "repair",
        sa.Column("case_no", sa.Text(), nullable=False),
        sa.Column("service_no", sa.SmallInteger(), nullable=False),
        sa.Column("found_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("case_no", "service_no", "found_at"),
        comment="matches that the sweep found missing: stays empty, or there is a defect",
    )
    op.create_table(
        "review",
        sa.Column(
            "case_no",
            sa.Text(),
            nullable=False,
            comment="empty: a review of a place or person without a case",
        ),
        sa.Column("service_no", sa.SmallInteger(), nullable=False),
        sa.Column("review_no", sa.SmallInteger(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("digest", sa.Uuid(), nullable=False),
        sa.Column(
            "effective",
            sa.Boolean(),
            nullable=False,
            comment="counts; a further one is a conflict or a default",
        ),
        sa.Column("satisfaction", sa.SmallInteger(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("reason_codes", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("comment", sa.Text(), server_default="", nullable=False),
        sa.Column("submitted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("dept_code", sa.Text(), server_default="", nullable=False),
        sa.Column("item_code", sa.Text(), server_default="", nullable=False),
        sa.Column("hall_code", sa.Text(), server_default="", nullable=False),
        sa.Column("window_code", sa.Text(), server_default="", nullable=False),
        sa.Column("staff_id", sa.Text(), server_default="", nullable=False),
        sa.Column("device_id", sa.Text(), server_default="", nullable=False),
        sa.Column("device_seq", sa.BigInteger(), nullable=True),
        sa.Column("device_prev", sa.Text(), nullable=True),
        sa.Column("real_name", sa.Boolean(), nullable=False),
        sa.Column("reviewer", sa.Text(), nullable=True, comment="sealed"),
        sa.Column("reviewer_mark", sa.Text(), server_default="", nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("partition", sa.SmallInteger(), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("flags", sa.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.PrimaryKeyConstraint("case_no", "service_no", "review_no", "event_id", "digest"),
    )
    op.create_index(
        "review_standalone", "review", ["event_id"], unique=False, postgresql_where=sa.text("case_no = ''")
    )
    op.create_table(
        "service",
        sa.Column("case_no", sa.Text(), nullable=False),
        sa.Column("service_no", sa.SmallInteger(), nullable=False),
        sa.Column(
            "placeholder", sa.Boolean(), nullable=False, comment="a review is here, its case is not yet"
        ),
        sa.Column("event_id", sa.Text(), nullable=True, comment="of the version whose content holds"),
        sa.Column("digest", sa.Uuid(), nullable=True),
        sa.Column("status", sa.Text(), nullable=True),
        sa.Column("item_code", sa.Text(), server_default="", nullable=False),
        sa.Column("item_name", sa.Text(), server_default="", nullable=False),
        sa.Column("dept_code", sa.Text(), server_default="", nullable=False),
        sa.Column("area_code", sa.Text(), server_default="", nullable=False),
        sa.Column("hall_code", sa.Text(), server_default="", nullable=False),
        sa.Column("window_code", sa.Text(), server_default="", nullable=False),
        sa.Column("staff_id", sa.Text(), server_default="", nullable=False),
        sa.Column("handling_mode", sa.Text(), server_default="", nullable=False),
        sa.Column("source", sa.Text(), server_default="", nullable=False),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("served_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version_received_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "received_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="the least of all versions and copies",
        ),
        sa.Column("topic", sa.Text(), nullable=True),
        sa.Column("partition", sa.SmallInteger(), nullable=True),
        sa.Column("offset", sa.BigInteger(), nullable=True),
        sa.Column("flags", sa.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column(
            "versions",
            sa.SmallInteger(),
            nullable=False,
            comment="case records kept; those beside this one in case_version",
        ),
        sa.Column("reviews", sa.SmallInteger(), nullable=False, comment="review records kept"),
        sa.Column("disputed", sa.Boolean(), nullable=False, comment="versions from different departments"),
        sa.Column(
            "outcome",
            sa.Text(),
            nullable=True,
            comment="matched, matched_late; null while the pair is not whole",
        ),
        sa.Column(
            "open_since",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="since when one half waits for the other; null if none does",
        ),
        sa.PrimaryKeyConstraint("case_no", "service_no"),
    )
    op.create_index(
        "service_open",
        "service",
        ["open_since"],
        unique=False,
        postgresql_where=sa.text("open_since IS NOT NULL"),
    )
    op.create_table(
        "stream_position",
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("partition", sa.SmallInteger(), nullable=False),
        sa.Column("topic_id", sa.Text(), nullable=False, comment="changes when a topic is made anew"),
        sa.Column("first_offset", sa.BigInteger(), nullable=False, comment="where reading began"),
        sa.Column(
            "next_offset", sa.BigInteger(), nullable=False, comment="everything before it is in the ledger"
        ),
        sa.Column("records", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("stored", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("duplicate", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("conflict", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("dead_letter", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("skipped", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column(
            "retired_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when an officer of ops adopted the topic's successor",
        ),
        sa.Column("moved_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("topic", "partition", "topic_id"),
    )
    op.create_index(
        "stream_position_current",
        "stream_position",
        ["topic", "partition"],
        unique=True,
        postgresql_where=sa.text("retired_at IS NULL"),
    )
    op.create_table(
        "ticket",
        sa.Column("ticket_id", sa.Uuid(), nullable=False),
        sa.Column("case_no", sa.Text(), nullable=False),
        sa.Column("service_no", sa.SmallInteger(), nullable=False),
        sa.Column("review_no", sa.SmallInteger(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("digest", sa.Uuid(), nullable=False),
        sa.Column("satisfaction", sa.SmallInteger(), nullable=False),
        sa.Column("dept_code", sa.Text(), nullable=False),
        sa.Column("routed_by", sa.Text(), nullable=False, comment="case, hint or county"),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("contact_due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "provisional", sa.Boolean(), nullable=False, comment="due in a year without a published calendar"
        ),
        sa.PrimaryKeyConstraint("ticket_id"),
    )
    op.create_table(
        "component",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column(
            "at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="heartbeat",
        ),
        sa.Column("error", sa.Text(), server_default="", nullable=False, comment="the last one"),
        sa.Column("error_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("name"),
        schema="office",
        comment="who runs, and what last went wrong",
    )
    op.create_table(
        "department",
        sa.Column("dept_code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("items", sa.Integer(), nullable=False, comment="services in its catalogue"),
        sa.Column(
            "provisional",
            sa.Boolean(),
            nullable=False,
            comment="a code of ours, until the county loads its own",
        ),
        sa.PrimaryKeyConstraint("dept_code"),
        schema="office",
    )
    op.create_table(
        "ticket_step",
        sa.Column("ticket_id", sa.Uuid(), nullable=False),
        sa.Column("step_no", sa.Integer(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False, comment="the ticket's state after this step"),
        sa.Column("dept_code", sa.Text(), nullable=False),
        sa.Column("actor_role", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("ticket_id", "step_no"),
        schema="office",
        comment="what people did with a ticket; a ticket without a step is new",
    )
    op.create_table(
        "town",
        sa.Column("area_code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("area_code"),
        schema="office",
    )
    op.execute(
        "alter table raw_block alter column data set storage external"
    )  # lz4 already: no second attempt


def downgrade() -> None:
    op.drop_table("town", schema="office")
    op.drop_table("ticket_step", schema="office")
    op.drop_table("department", schema="office")
    op.drop_table("component", schema="office")
    op.drop_table("ticket")
    op.drop_index(
        "stream_position_current",
        table_name="stream_position",
        postgresql_where=sa.text("retired_at IS NULL"),
    )
    op.drop_table("stream_position")
    op.drop_index("service_open", table_name="service", postgresql_where=sa.text("open_since IS NOT NULL"))
    op.drop_table("service")
    op.drop_index("review_standalone", table_name="review", postgresql_where=sa.text("case_no = ''"))
    op.drop_table("review")
    op.drop_table("repair")
    op.drop_table("raw_block")
    op.drop_index("outbox_unsent", table_name="outbox", postgresql_where=sa.text("sent_at IS NULL"))
    op.drop_table("outbox")
    op.drop_table("log_gap")
    op.drop_table("dead_letter")
    op.drop_table("counter")
    op.drop_table("case_version")
