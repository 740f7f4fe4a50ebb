"""How many events a minute a device may send, where it is not as many as any other."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "device",
        sa.Column("per_minute", sa.Integer(), comment="events that it may send; null: as any other"),
        schema="office",
    )


def downgrade() -> None:
    op.drop_column("device", "per_minute", schema="office")
