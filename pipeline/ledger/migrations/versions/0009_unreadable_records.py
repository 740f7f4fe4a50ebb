"""Records that cannot be kept as they were, and records that people had the fold step over."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_SEALED = (("dead_letter", "value"), ("dead_letter", "parts"), ("outbox", "value"))
"""Sealed bytes do not compress: trying it costs more than writing them."""


def upgrade() -> None:
    op.add_column(
        "dead_letter",
        sa.Column(
            "parts",
            sa.LargeBinary(),
            nullable=True,
            comment="sealed: what is kept of a record that could not be kept as it was",
        ),
    )
    op.add_column(
        "dead_letter",
        sa.Column(
            "records", sa.Integer(), server_default="1", nullable=False, comment="offsets that it stands for"
        ),
    )
    for table, column in _SEALED:
        op.execute(f"alter table {table} alter column {column} set storage external")
    op.create_table(
        "position_skip",
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("partition", sa.SmallInteger(), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("topic_id", sa.Text(), nullable=False, comment="of the topic in which the record lies"),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False, comment="name in the operating system"),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("topic", "partition", "offset", "topic_id"),
        schema="office",
        comment="records that people had the fold step over; a replay does so, too",
    )
    op.create_table(
        "blocked_partition",
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("partition", sa.SmallInteger(), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False, comment="of the record that is in the way"),
        sa.Column("component", sa.Text(), nullable=False, comment="the worker that tries it again and again"),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("topic", "partition"),
        schema="office",
        comment="partitions whose next record fails of itself; one that is folded again is here no more",
    )


def downgrade() -> None:
    op.drop_table("blocked_partition", schema="office")
    op.drop_table("position_skip", schema="office")
    for table, column in _SEALED:
        op.execute(f"alter table {table} alter column {column} set storage extended")
    op.drop_column("dead_letter", "records")
    op.drop_column("dead_letter", "parts")
