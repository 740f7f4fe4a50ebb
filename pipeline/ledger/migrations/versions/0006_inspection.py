"""Inspection (办件质检): how many case records there are, and how many pass every rule.

What was folded before was not inspected: `hcp verify` tells the difference until `hcp replay` has inspected it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("case_records", "cases_passed"):
        op.add_column("counter", sa.Column(name, sa.BigInteger(), nullable=False, server_default="0"))
        op.alter_column("counter", name, server_default=None)


def downgrade() -> None:
    op.drop_column("counter", "cases_passed")
    op.drop_column("counter", "case_records")
