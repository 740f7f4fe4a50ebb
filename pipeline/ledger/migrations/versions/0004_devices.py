"""Devices: who may send to the gateway, and with which keys."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "device",
        sa.Column("device_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False, comment="terminal, system"),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.Column(
            "channels",
            sa.ARRAY(sa.Text()),
            nullable=False,
            comment="for which it may speak; empty: cases only",
        ),
        sa.Column("dept_code", sa.Text(), server_default="", nullable=False),
        sa.Column("hall_code", sa.Text(), server_default="", nullable=False),
        sa.Column("window_code", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("device_id"),
        schema="office",
        comment="who may send to the gateway, and for which place; an empty place is any",
    )
    op.create_table(
        "device_key",
        sa.Column("device_id", sa.Text(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("secret", sa.Text(), nullable=False, comment="sealed, about device and key id"),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column(
            "not_after",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="set when another key follows: both hold for a while",
        ),
        sa.PrimaryKeyConstraint("device_id", "key_id"),
        schema="office",
        comment="what a device signs with",
    )


def downgrade() -> None:
    op.drop_table("device_key", schema="office")
    op.drop_table("device", schema="office")
