"""The tasks table, with the indexes that serve the list in order of creation."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "tasks",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("user_id", sa.Text(collation="C"), nullable=False),
        sa.Column("title", sa.String(200, collation="C"), nullable=False),
        sa.Column("description", sa.String(1000), nullable=True),
        sa.Column("completed", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.CheckConstraint("length(user_id) BETWEEN 1 AND 255", name="tasks_user_id_length"),
        sa.CheckConstraint("length(title) >= 1", name="tasks_title_not_empty"),
    )
    op.create_index("tasks_by_created", "tasks", ["user_id", "created_at", "id"])
    op.create_index("tasks_by_completed", "tasks", ["user_id", "completed", "created_at", "id"])


def downgrade() -> None:
    """Drop the table and every task in it."""
    op.drop_table("tasks")
