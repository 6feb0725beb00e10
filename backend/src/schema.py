"""The schema at start: created whole on an empty database, upgraded by Alembic on an older one.

Blocks, so it runs in a thread, and only where `VERSION` did not give `HEAD`. Everything happens in one transaction
under one advisory lock, so any number of processes may start at once. Rank 3.
"""

import psycopg2
from sqlalchemy import NullPool, create_engine, text

from src.errors import UnknownSchemaError
from src.statement import Statement, one_row

HEAD = "0002"  # the newest file in migrations/versions; a test holds them together
VERSION = Statement("SELECT version_num FROM alembic_version", one_row, repeatable=True)
_LOCK = 0x7461736B73  # "tasks"; for the transaction only, since a pooler changes sessions between transactions


def reason(error: Exception) -> str:
    """Say why the schema is not ready, without the driver's text: that may name hosts and users."""
    return str(error) if isinstance(error, UnknownSchemaError) else type(error).__name__


def ensure(dsn: str) -> None:
    """Bring the database to this version's schema.

    Raises:
        psycopg2.Error, SQLAlchemyError: the database cannot be reached, or refused.
        UnknownSchemaError: its tables were made by something else.
    """
    raw = psycopg2.connect(dsn)
    try:
        engine = create_engine("postgresql+psycopg2://", creator=lambda: raw, poolclass=NullPool)
        with engine.begin() as connection:
            # Not at the top: Alembic takes a third of a second to import, and most starts have no use for it.
            from src.upgrade import upgrade  # noqa: PLC0415  # slow to import, seldom needed

            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
            upgrade(connection)
    finally:
        raw.close()
