"""Reviews by event: a review with a case is found by its event's id alone."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "review_event",
        "review",
        ["event_id"],
        postgresql_using="brin",
        postgresql_ops={"event_id": "text_bloom_ops"},
        postgresql_with={"pages_per_range": 32},
    )
    op.execute("alter table review set (autovacuum_vacuum_insert_scale_factor = 0.02)")


def downgrade() -> None:
    op.execute("alter table review reset (autovacuum_vacuum_insert_scale_factor)")
    op.drop_index("review_event", table_name="review")
