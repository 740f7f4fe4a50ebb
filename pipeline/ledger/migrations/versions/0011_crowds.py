"""Crowds: a record costs the same whatever its service holds already, and there may be more of them than 32,767.

The column `crowd` stays null: the fold fills it when the next record of a crowded service comes.
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("versions", "reviews"):
        op.alter_column("service", name, type_=sa.Integer(), existing_nullable=False)
    op.add_column(
        "service",
        sa.Column(
            "crowd",
            sa.JSON(),
            nullable=True,
            comment="of a service with many records (pipeline.rules.crowd): not all are read again",
        ),
    )
    op.create_index(
        "case_version_order",
        "case_version",
        ["case_no", "service_no", "received_at", "event_id", "digest"],
        postgresql_ops={"event_id": "text_pattern_ops"},
        postgresql_where=sa.text("received_at > '-infinity'"),
    )
    op.create_index("ticket_service", "ticket", ["case_no", "service_no", "ticket_id"])
    op.create_table(
        "reroute",
        sa.Column("case_no", sa.Text(), nullable=False),
        sa.Column("service_no", sa.SmallInteger(), nullable=False),
        sa.Column("after", sa.Uuid(), nullable=True, comment="the last ticket done; null: none yet"),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("case_no", "service_no"),
        comment="services whose tickets the sweep has yet to give to another department, they are many",
    )
    op.drop_index("review_standalone", table_name="review")


def downgrade() -> None:
    """Fails on a service with more records than a SMALLINT counts."""
    op.create_index("review_standalone", "review", ["event_id"], postgresql_where=sa.text("case_no = ''"))
    op.drop_table("reroute")
    op.drop_index("ticket_service", table_name="ticket")
    op.drop_index("case_version_order", table_name="case_version")
    op.drop_column("service", "crowd")
    for name in ("reviews", "versions"):
        op.alter_column("service", name, type_=sa.SmallInteger(), existing_nullable=False)
