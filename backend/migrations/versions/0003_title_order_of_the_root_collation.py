"""What titles are sorted by: letters with strokes, ligatures and the like beside their base letters.

On a database in use `src/postgres/title_renewal.py` has done this before, step by step; here it is whole.
"""

from unicodedata import combining, normalize

import sqlalchemy as sa
from alembic import op

from src.postgres.title_trigger import STALE, install, uninstall

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the trigger, and let it compute every key that is not of this order."""
    install(op.get_bind())
    op.execute(f"UPDATE tasks SET title_key = '' WHERE {STALE}")  # noqa: S608  # a constant of the code is a constant


def downgrade() -> None:
    """Drop the trigger and give every task the key that the release before wrote."""
    connection = op.get_bind()
    uninstall(connection)
    update = sa.text("UPDATE tasks SET title_key = :key WHERE id = :id")
    rows = connection.execute(sa.text("SELECT id, title FROM tasks")).all()
    if rows:
        connection.execute(update, [{"id": row.id, "key": _former_key(row.title)} for row in rows])


def _former_key(title: str) -> str:
    letters = normalize("NFD", title.casefold())
    return "".join(letter for letter in letters if not combining(letter))[:200]
