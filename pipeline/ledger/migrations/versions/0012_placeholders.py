"""Placeholders: the numbers that a device sends for everybody; and which services many reviews share."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "device",
        sa.Column(
            "placeholders",
            sa.ARRAY(sa.Text()),
            server_default="{}",
            nullable=False,
            comment="the numbers that it sends for no case, cleaned",
        ),
        schema="office",
    )
    op.create_index(
        "service_shared",
        "service",
        [sa.text("(reviews + versions)")],
        postgresql_where=sa.text("reviews + versions >= 20"),
    )


def downgrade() -> None:
    op.drop_index("service_shared", table_name="service")
    op.drop_column("device", "placeholders", schema="office")
