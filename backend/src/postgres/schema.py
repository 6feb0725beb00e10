"""The schema at start: created whole on an empty database, upgraded by Alembic on an older one.

Everything happens under one advisory lock, so any number of processes may start at once; and in one transaction but for
the renewal of the keys that titles are sorted by, which may take long.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine

from src import models
from src.errors import UnsuitableDatabaseError

MIGRATIONS = Path(__file__).resolve().parents[2] / "migrations"
# By their names, since Alembic takes a third of a second to import and most starts have no use for it; a test holds
# them together.
HEAD = max(file.stem.split("_")[0] for file in (MIGRATIONS / "versions").glob("[0-9]*.py"))
_TABLES = models.Task.metadata.sorted_tables
_ENCODING = "current_setting('server_encoding')"
# Of the columns that we use those that are there: a revision may be that of another program, with tables of its own.
_COLUMNS = " OR ".join(
    f"attrelid = to_regclass('{table.name}') AND attname = ANY ('{{{','.join(column.name for column in table.c)}}}')"
    for table in _TABLES
)
_COUNT = f"(SELECT count(*) FROM pg_attribute WHERE {_COLUMNS})"  # noqa: S608  # a constant
CURRENT = text(f"SELECT concat_ws(' ', version_num, {_ENCODING}, {_COUNT}) FROM alembic_version")  # noqa: S608  # constants
EXPECTED = f"{HEAD} UTF8 {sum(len(table.c) for table in _TABLES)}"  # of `CURRENT` where nothing is to be done
_LOCK = 0x7461736B73  # "tasks"; for the transaction only, since a pooler changes sessions between transactions


async def ensure(engine: AsyncEngine) -> None:
    """Bring the database to this version's schema.

    Raises:
        SQLAlchemyError, OSError: the database cannot be reached, or refused.
        UnsuitableDatabaseError: its tables were made by something else, or it cannot hold every text.
    """
    async with engine.execution_options(isolation_level="READ COMMITTED").connect() as connection:
        await connection.run_sync(_ensure)


def _ensure(connection: Connection) -> None:
    # Not at the top: Alembic takes a third of a second to import, and most starts have no use for it.
    from src.postgres.title_renewal import renew  # noqa: PLC0415
    from src.postgres.upgrade import upgrade  # noqa: PLC0415

    with connection.begin():
        encoding = connection.scalar(text(f"SELECT {_ENCODING}"))  # a constant
    if encoding != "UTF8":
        raise UnsuitableDatabaseError(f"the database's encoding is {encoding}, and must be UTF8")
    renew(partial(locked, connection))
    with locked(connection):
        upgrade(connection, MIGRATIONS)


@contextmanager
def locked(connection: Connection) -> Iterator[Connection]:
    """Open a transaction that no other process's start or upgrade runs beside."""
    with connection.begin():
        # Whatever the role sets for statements: this may take long, and waits for other processes that do the same.
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(text("SET LOCAL lock_timeout = 0"))
        # A process that vanishes with its network must not keep the lock until TCP notices, which may be hours.
        connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = '1min'"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        yield connection
