"""Until when a device may sign with version 1, and whether it was seen to sign with version 2."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name, comment in (
        ("version_1_until", "may sign with version 1 until; null: never"),
        ("version_2_seen_at", "first signed with version 2, while it may"),
    ):
        op.add_column("device", sa.Column(name, sa.DateTime(timezone=True), comment=comment), schema="office")
    op.execute("update office.device set version_1_until = now() + interval '90 days'")


def downgrade() -> None:
    op.drop_column("device", "version_2_seen_at", schema="office")
    op.drop_column("device", "version_1_until", schema="office")
