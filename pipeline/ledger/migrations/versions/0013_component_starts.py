"""Starts of each component: so many within minutes are a crash loop."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _add("starts", sa.BigInteger(), "0", "how often a process started")
    _add("started", sa.ARRAY(sa.DateTime(timezone=True)), "{}", "the last few times, the newest first")


def _add(name: str, kind: sa.types.TypeEngine[Any], default: str, comment: str) -> None:
    column = sa.Column(name, kind, nullable=False, server_default=default, comment=comment)
    op.add_column("component", column, schema="office")


def downgrade() -> None:
    for name in ("started", "starts"):
        op.drop_column("component", name, schema="office")
