"""Whose a service is can be decided by a person: what was decided, from the topic `hcp.decision.v1`."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "decision",
        sa.Column("case_no", sa.Text(), nullable=False),
        sa.Column("service_no", sa.SmallInteger(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("digest", sa.Uuid(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("partition", sa.SmallInteger(), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("flags", sa.ARRAY(sa.Text()), nullable=False, server_default="{}"),
        sa.Column("dept_code", sa.Text(), nullable=False),
        sa.Column("decided_by", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column(
            "sender",
            sa.Text(),
            nullable=False,
            server_default="",
            comment="who sent it, as our edge signed it; empty if it did not",
        ),
        sa.PrimaryKeyConstraint("case_no", "service_no", "event_id", "digest"),
        comment="whose a service is, as persons decided it: the last one holds (pipeline.rules.ownership)",
    )
    op.alter_column("service", "placeholder", comment="a review or a decision is here, its case is not yet")


def downgrade() -> None:
    op.alter_column("service", "placeholder", comment="a review is here, its case is not yet")
    op.drop_table("decision")
