"""The step from the last release's order of titles to this one's, on a database in use.

The trigger comes first, so that the last release, which may still run, writes no more keys of its own order. Then the
rows that have one, in short transactions, which make nobody wait for long. The migration finds nothing left to do.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager

from alembic.migration import MigrationContext
from sqlalchemy import Connection, text

from src.postgres.title_trigger import STALE, install

_BEFORE = "0002"  # the last revision of the former order
_STEP = text(f"""
WITH step AS (SELECT id FROM tasks WHERE id > :last ORDER BY id LIMIT 1000),
     renewed AS (UPDATE tasks SET title_key = '' FROM step WHERE tasks.id = step.id AND {STALE})
SELECT max(id) FROM step
""")  # noqa: S608  # constants


def renew(transaction: Callable[[], AbstractContextManager[Connection]]) -> None:
    """Renew every key of the former order; whoever comes second, or again, finds less to do."""
    with transaction() as connection:
        if MigrationContext.configure(connection).get_current_revision() != _BEFORE:
            return
        install(connection)
    last: int | None = 0
    while last is not None:
        with transaction() as connection:
            last = connection.scalar(_STEP, {"last": last})
