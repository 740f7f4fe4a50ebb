"""Whose a service is: versions are looked up by sender and department.

What is kept of crowds is counted again when their next record comes. Until now the greatest version held: services of which
several departments say something are noted, and the worker's sweep settles them anew, with counters and tickets. All others
are what they were.
"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_ALWAYS = sa.text("received_at > '-infinity'")
_BY_CODE_POINTS = {"event_id": "text_pattern_ops"}
_KEY = ("case_no", "service_no")
_ORDER = ("received_at", "event_id", "digest")


def upgrade() -> None:
    op.drop_index("case_version_order", table_name="case_version")
    op.create_index(
        "case_version_owner",
        "case_version",
        [*_KEY, "sender", sa.text("(event ->> 'dept_code')"), *_ORDER],
        postgresql_ops=_BY_CODE_POINTS,
        postgresql_where=_ALWAYS,
    )
    note = "services that the sweep has yet to judge by the rules of a new release; its migration notes them"
    op.create_table(
        "resettle",
        sa.Column("case_no", sa.Text(), nullable=False),
        sa.Column("service_no", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("case_no", "service_no"),
        comment=note,
    )
    op.execute(
        "insert into resettle (case_no, service_no) select case_no, service_no from service where disputed"
    )
    op.alter_column(
        "service", "disputed", comment="versions of others than the owner (pipeline.rules.ownership)"
    )
    op.execute("update service set crowd = null where crowd is not null")


def downgrade() -> None:
    op.execute("update service set crowd = null where crowd is not null")
    op.alter_column("service", "disputed", comment="versions from different departments")
    op.drop_table("resettle")
    op.drop_index("case_version_owner", table_name="case_version")
    op.create_index(
        "case_version_order",
        "case_version",
        [*_KEY, *_ORDER],
        postgresql_ops=_BY_CODE_POINTS,
        postgresql_where=_ALWAYS,
    )
