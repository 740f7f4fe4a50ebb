"""Reviews through another's link rank behind: what is kept of crowds names the first review of every sender, not the effective ones.

It is counted again when their next record comes. No review changes its place: before 0016 no record had a sender, and no release
lies between.
"""

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("update service set crowd = null where crowd is not null")


def downgrade() -> None:
    op.execute("update service set crowd = null where crowd is not null")
