"""Key and headers of dead letters are sealed as their bytes are.

Letters that are there keep theirs in clear until a replay takes the ledger's place; what was told of them is cleared now.
"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    around = sa.Column("around", sa.LargeBinary(), nullable=True, comment="sealed: key and headers")
    op.add_column("dead_letter", around)
    op.execute("alter table dead_letter alter column around set storage external")
    op.alter_column("dead_letter", "headers", comment="in clear, as `key`; else empty")
    op.alter_column("dead_letter", "key", comment="in clear, of letters from before `around`")
    op.execute(
        "update outbox set key = null, headers = '[]' where stream = 'dead-letter.v1' and sent_at is not null"
    )


def downgrade() -> None:
    """Key and headers of letters that came meanwhile are lost: they cannot be unsealed here."""
    op.alter_column("dead_letter", "key", comment=None)
    op.alter_column("dead_letter", "headers", comment="[[name, base64], …]")
    op.drop_column("dead_letter", "around")
