"""Schema creation and upgrades; runs inside the transaction and under the lock of `schema.py`. Rank 2."""

import logging
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect

from src import models
from src.errors import UnknownSchemaError

logger = logging.getLogger(__name__)

MIGRATIONS = Path(__file__).resolve().parents[1] / "migrations"


def upgrade(connection: Connection) -> None:
    """Create the tables, or bring older ones up to date.

    Raises:
        UnknownSchemaError: tables of our names are there that we did not make.
    """
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    revision = MigrationContext.configure(connection).get_current_revision()
    if revision is None:
        _create(connection)
        command.stamp(config, "head")
    elif revision in {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}:
        command.upgrade(config, "head")
    else:
        # After a rollback of the code. Migrations only ever add, so the older code still works.
        logger.warning("schema is newer than this version", extra={"revision": revision})


def _create(connection: Connection) -> None:
    foreign = set(models.Task.metadata.tables) & set(inspect(connection).get_table_names())
    if foreign:
        raise UnknownSchemaError(f"tables exist that this service did not make: {', '.join(sorted(foreign))}")
    models.Task.metadata.create_all(connection)
