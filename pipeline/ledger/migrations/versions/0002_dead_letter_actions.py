"""What people did with dead letters."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "dead_letter_action",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("partition", sa.SmallInteger(), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("topic_id", sa.Text(), nullable=False, comment="of the topic in which the letter lay"),
        sa.Column("action", sa.Text(), nullable=False, comment="retry, edit, discard"),
        sa.Column("actor", sa.Text(), nullable=False, comment="name in the operating system"),
        sa.Column("reason", sa.Text(), server_default="", nullable=False, comment="why it was discarded"),
        sa.Column(
            "event_id", sa.Text(), nullable=True, comment="of the record sent; null if none could be read"
        ),
        sa.Column("sent_topic", sa.Text(), nullable=True, comment="where the record sent lies"),
        sa.Column("sent_partition", sa.SmallInteger(), nullable=True),
        sa.Column("sent_offset", sa.BigInteger(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        schema="office",
        comment="what people did with dead letters; the last one is the letter's state, without one it is open",
    )
    op.create_index(
        "dead_letter_action_letter",
        "dead_letter_action",
        ["topic", "partition", "offset", "topic_id", "id"],
        unique=False,
        schema="office",
    )


def downgrade() -> None:
    op.drop_index("dead_letter_action_letter", table_name="dead_letter_action", schema="office")
    op.drop_table("dead_letter_action", schema="office")
