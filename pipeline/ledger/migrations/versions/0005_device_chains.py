"""Chains of devices: what each event of a counting device must be followed by."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "review",
        sa.Column(
            "sent_digest",
            sa.Text(),
            nullable=True,
            comment="SHA-256 of the JSON as a counting device sent it",
        ),
    )
    op.create_index(
        "review_device",
        "review",
        ["device_id", "device_seq"],
        postgresql_where=sa.text("device_seq IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("review_device", table_name="review")
    op.drop_column("review", "sent_digest")
