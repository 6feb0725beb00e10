"""What titles are sorted by, and the keys that make a repeated POST harmless."""

import sqlalchemy as sa
from alembic import op

from src.postgres.title_order import title_key

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_BATCH = 10_000


def upgrade() -> None:
    """Add the sort key to every task and create the table of idempotency keys."""
    op.add_column("tasks", sa.Column("title_key", sa.Text(collation="C"), server_default="", nullable=False))
    _fill_title_keys(op.get_bind())
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


def _fill_title_keys(connection: sa.Connection) -> None:
    """Compute the keys here, in batches: SQL folds letters as the server's locale does, which varies."""
    last = 0
    batch = sa.text("SELECT id, title FROM tasks WHERE id > :last ORDER BY id LIMIT :size")
    update = sa.text("UPDATE tasks SET title_key = :key WHERE id = :id")
    while rows := connection.execute(batch, {"last": last, "size": _BATCH}).all():
        connection.execute(update, [{"id": row.id, "key": title_key(row.title)} for row in rows])
        last = rows[-1].id


def downgrade() -> None:
    """Drop both; the tasks stay."""
    op.drop_table("idempotency_keys")
    op.drop_index("tasks_by_title", "tasks")
    op.drop_column("tasks", "title_key")
