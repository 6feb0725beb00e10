"""Alembic's entry: runs the migrations on the connection that `src/postgres` hands over, or on NEON_DB_URL."""

from functools import partial

import psycopg2
from alembic import command, context
from sqlalchemy import Connection, NullPool, create_engine

from src.config import get_settings
from src.models import Task
from src.postgres.schema import locked
from src.postgres.title_renewal import renew


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
        if context.config.cmd_opts and context.config.cmd_opts.cmd[0] is command.upgrade:
            renew(partial(locked, opened))
        migrate(opened)
