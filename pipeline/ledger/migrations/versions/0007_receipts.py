"""Receipts: a ticket is found by its review's event."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ticket_event", "ticket", ["event_id"])


def downgrade() -> None:
    op.drop_index("ticket_event", table_name="ticket")
