"""What titles are sorted by, and the keys that make a repeated POST harmless."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the sort key to every task, for the next revision to fill in, and create the table of idempotency keys."""
    op.add_column("tasks", sa.Column("title_key", sa.Text(collation="C"), server_default="", nullable=False))
    op.create_index("tasks_by_title", "tasks", ["user_id", "title_key", "title", "id"])
    op.create_table(
        "idempotency_keys",
        sa.Column("user_id", sa.Text(collation="C"), nullable=False),
        sa.Column("key", sa.String(255, collation="C"), nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("task_id", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "key"),
    )
    op.create_index("idempotency_keys_by_age", "idempotency_keys", ["user_id", "created_at"])


def downgrade() -> None:
    """Drop both; the tasks stay."""
    op.drop_table("idempotency_keys")
    op.drop_index("tasks_by_title", "tasks")
    op.drop_column("tasks", "title_key")
