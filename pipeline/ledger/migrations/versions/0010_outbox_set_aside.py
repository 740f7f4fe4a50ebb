"""Rows of the outbox that Kafka refuses are set aside; the index of unsent rows is by stream."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for column in (
        sa.Column(
            "set_aside_at", sa.DateTime(timezone=True), comment="when Kafka refused the row for what it is"
        ),
        sa.Column("error", sa.Text(), comment="why"),
        sa.Column("retried_at", sa.DateTime(timezone=True), comment="when a person put it back"),
        sa.Column("retried_by", sa.Text()),
    ):
        op.add_column("outbox", column)
    op.drop_index("outbox_unsent", table_name="outbox")
    op.create_index(
        "outbox_unsent",
        "outbox",
        ["stream", "id"],
        postgresql_where=sa.text("sent_at IS NULL AND set_aside_at IS NULL"),
    )
    op.create_index(
        "outbox_set_aside", "outbox", ["id"], postgresql_where=sa.text("set_aside_at IS NOT NULL")
    )


def downgrade() -> None:
    op.drop_index("outbox_set_aside", table_name="outbox")
    op.drop_index("outbox_unsent", table_name="outbox")
    op.create_index("outbox_unsent", "outbox", ["id"], postgresql_where=sa.text("sent_at IS NULL"))
    for name in ("retried_by", "retried_at", "error", "set_aside_at"):
        op.drop_column("outbox", name)
