"""The edge's signature: who sent each record, and from when on a claimed time of receipt needs a signature."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_ENTRIES = ("service", "case_version", "review")


def upgrade() -> None:
    for table in _ENTRIES:
        comment = "who sent it, as our edge signed it; empty if it did not"
        op.add_column(
            table, sa.Column("sender", sa.Text(), server_default="", nullable=False, comment=comment)
        )
    epoch = op.create_table(
        "epoch",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name"),
        schema="office",
        comment="from when on, by the log's clock, a rule holds; set by the migration that brings it, never changed",
    )
    op.execute(epoch.insert().values(name="edge_signature", at=sa.func.now()))


def downgrade() -> None:
    op.drop_table("epoch", schema="office")
    for table in _ENTRIES:
        op.drop_column(table, "sender")
