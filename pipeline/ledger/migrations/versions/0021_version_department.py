"""A version's department in a column of its own: the index over it was one over JSON, which cost every version its reading.

The table is written anew: versions are few, but for numbers that stand for many people.
"""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

_INDEX = "case_version_owner"
_KEY = ("case_no", "service_no", "sender")
_ORDER = ("received_at", "event_id", "digest")


def _index(department: str | sa.TextClause) -> None:
    op.create_index(
        _INDEX,
        "case_version",
        [*_KEY, department, *_ORDER],
        postgresql_ops={"event_id": "text_pattern_ops"},
        postgresql_where=sa.text("received_at > '-infinity'"),
    )


def upgrade() -> None:
    comment = "as `event` says: an index over JSON would read it each time"
    op.drop_index(_INDEX, table_name="case_version")
    op.add_column("case_version", sa.Column("dept_code", sa.Text(), nullable=True, comment=comment))
    op.execute("update case_version set dept_code = event ->> 'dept_code'")
    op.alter_column("case_version", "dept_code", nullable=False)
    _index("dept_code")


def downgrade() -> None:
    op.drop_index(_INDEX, table_name="case_version")
    op.drop_column("case_version", "dept_code")
    _index(sa.text("(event ->> 'dept_code')"))
