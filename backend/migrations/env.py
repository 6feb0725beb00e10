"""Alembic's entry: runs the migrations on the connection that `src/schema.py` hands over, or on NEON_DB_URL."""

import psycopg2
from alembic import context
from sqlalchemy import Connection, NullPool, create_engine

from src.config import get_settings
from src.models import Task


def migrate(connection: Connection) -> None:
    """Run the migrations in one transaction."""
    context.configure(connection=connection, target_metadata=Task.metadata, compare_server_default=True)
    with context.begin_transaction():
        context.run_migrations()


if given := context.config.attributes.get("connection"):
    migrate(given)
else:
    url = get_settings().database_url
    with create_engine(
        "postgresql+psycopg2://", creator=lambda: psycopg2.connect(url), poolclass=NullPool
    ).connect() as opened:
        migrate(opened)
