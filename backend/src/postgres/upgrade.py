"""Schema creation and upgrades; runs inside the transaction and under the lock of `schema.py`."""

import logging
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect

from src import models
from src.errors import UnsuitableDatabaseError
from src.postgres.title_trigger import install

logger = logging.getLogger(__name__)


def upgrade(connection: Connection, migrations: Path) -> None:
    """Create the tables, or bring older ones up to date.

    Raises:
        UnsuitableDatabaseError: tables of our names are there that we did not make.
    """
    config = Config()
    config.set_main_option("script_location", str(migrations).replace("%", "%%"))
    config.attributes["connection"] = connection
    revision = MigrationContext.configure(connection).get_current_revision()
    if revision is None:
        _create(connection)
        command.stamp(config, "head")
        return
    known = revision in {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if known:
        command.upgrade(config, "head")
    _require_columns(connection)
    if not known:
        # After a rollback of the code. Migrations only ever add, so the older code still works.
        logger.warning("schema is newer than this version", extra={"revision": revision})


def _create(connection: Connection) -> None:
    foreign = set(models.Task.metadata.tables) & set(inspect(connection).get_table_names())
    if foreign:
        raise UnsuitableDatabaseError(f"tables exist that this service did not make: {', '.join(sorted(foreign))}")
    models.Task.metadata.create_all(connection)
    install(connection)


def _require_columns(connection: Connection) -> None:
    """Raise unless every column that this release uses is there: the revision may be that of another program."""
    inspector = inspect(connection)
    for name, table in models.Task.metadata.tables.items():
        there = {column["name"] for column in inspector.get_columns(name)} if inspector.has_table(name) else set()
        if missing := set(table.columns.keys()) - there:
            raise UnsuitableDatabaseError(f"the table {name} lacks columns: {', '.join(sorted(missing))}")
