"""Replays are on record, and what they found about tickets that people have worked on."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "replay",
        sa.Column("schema", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False, comment="raw or log"),
        sa.Column("rules", sa.JSON(), nullable=False, comment="all of settings.Rules that it folds by"),
        sa.Column("since", sa.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("until", sa.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("revision", sa.Text(), nullable=False, comment="of the tables that it made"),
        sa.Column("state", sa.Text(), nullable=False, comment="running, done, accepted, dropped"),
        sa.Column("begun_by", sa.Text(), nullable=False),
        sa.Column("begun_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column(
            "ended_by", sa.Text(), server_default="", nullable=False, comment="who accepted or dropped it"
        ),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("why", sa.Text(), server_default="", nullable=False),
        sa.Column(
            "kept_as", sa.Text(), server_default="", nullable=False, comment="the schema of the ledger before"
        ),
        sa.Column("diff", sa.JSON(), nullable=True, comment="the published numbers, before and after"),
        sa.PrimaryKeyConstraint("schema"),
        schema="office",
        comment="ledgers replayed beside the live one, and what became of them",
    )
    op.create_table(
        "replay_finding",
        sa.Column("schema", sa.Text(), nullable=False),
        sa.Column("ticket_id", sa.Uuid(), nullable=False),
        sa.Column("steps", sa.Integer(), nullable=False, comment="kept in ticket_step"),
        sa.Column("found_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("schema", "ticket_id"),
        schema="office",
        comment="tickets that people worked on and that the accepted replay does not have",
    )


def downgrade() -> None:
    op.drop_table("replay_finding", schema="office")
    op.drop_table("replay", schema="office")
