"""`make test-pooler`: the test suite with a transaction-mode pooler between the service and PostgreSQL."""

import os
import sys
import tempfile
from pathlib import Path

import pytest

from dev import postgres as _wheel  # noqa: F401  # first, because it imports the wheel without its warning
from tests.support.pooler import pooler
from tests.support.postgres_server import running
from tests.support.programs import program


class OnDatabase:
    """Leaves out what asks for no database of the run: a pooler can make no difference there."""

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        asking = [item for item in items if "server_url" in getattr(item, "fixturenames", ())]
        config.hook.pytest_deselected(items=[item for item in items if item not in asking])
        items[:] = asking


def main(arguments: list[str]) -> int:
    """Run pytest.

    The faults are left out, since they have servers of their own, and so is the log: its tests look at what a process
    says of a database that refuses it, and a pooler says something else.
    """
    executable = program("pgbouncer")
    if executable is None:
        print("SKIPPED: PgBouncer is not installed, and cannot be (that takes root and apt-get).")
        return 0
    folder = tempfile.TemporaryDirectory(prefix="tasks-pooled-", ignore_cleanup_errors=True)
    with folder as name, running(Path(name) / "data") as server, pooler(executable, server) as port:
        os.environ["TEST_DATABASE_URL"] = f"postgresql://postgres@127.0.0.1:{port}/postgres"
        return int(pytest.main(["--ignore=tests/faults", "--ignore=tests/log", *arguments], plugins=[OnDatabase()]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
