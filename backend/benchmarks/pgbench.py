"""PostgreSQL's own limit: pgbench with the very statements of this service, parameters written in as psycopg2 does."""

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg2
from sqlalchemy.dialects.postgresql.psycopg2 import PGDialect_psycopg2

from benchmarks.database import BIN
from benchmarks.operations import LONG_USERS, NOTE, USERS, Work, user_id
from src.models import TaskSort
from src.postgres.title_order import title_key
from src.services import statements
from src.services.lists import LISTS

CLIENTS = 16


class PgBench:
    """Runs one operation's statement as fast as PostgreSQL can."""

    name = "pgbench"

    def __init__(self, url: str, work: Work) -> None:
        self._url = url
        self._tasks = [(user, ids[number % len(ids)]) for number, (user, ids) in enumerate(work.ids.items())]

    def tps(self, operation: str, seconds: int) -> float:
        """Return transactions per second at 16 clients over TCP, connections already open."""
        with TemporaryDirectory(prefix="tasks-pgbench-") as folder:
            files = [f"--file={file}" for file in self._scripts(operation, Path(folder))]
            options = ["-n", "-c", str(CLIENTS), "-j", "1", "-T", str(seconds), *files]
            command = [BIN / "pgbench", *options, "-d", self._url]
            finished = subprocess.run(command, check=True, capture_output=True, text=True, env=dict(os.environ))
        return transactions_per_second(finished.stdout)

    def _scripts(self, operation: str, folder: Path) -> Iterator[Path]:
        """Write one script for each of some users; pgbench picks among them at random."""
        with closing(psycopg2.connect(self._url)) as connection, connection.cursor() as cursor:
            for number, (statement, parameters) in enumerate(getattr(self, f"_{operation}")()):
                file = folder / f"{number}.sql"
                compiled = statement.compile(dialect=PGDialect_psycopg2())
                sql = cursor.mogrify(str(compiled), compiled.construct_params(parameters))
                file.write_bytes(sql.replace(b"\n", b" ") + b";\n")
                yield file

    def _list1000(self):
        return ((LISTS[TaskSort.CREATED], _list_of("long", number)) for number in range(LONG_USERS))

    def _list20(self):
        return ((LISTS[TaskSort.CREATED], _list_of("user", number)) for number in range(USERS))

    def _get(self):
        return ((statements.GET, {"owner": user, "task_id": task}) for user, task in self._tasks)

    def _create(self):
        title = "Call the plumber"
        values = {"title": title, "title_key": title_key(title), "description": NOTE}
        return ((statements.CREATE, {"owner": user_id("writer", number), **values}) for number in range(USERS))

    def _update(self):
        for title in ("Call the plumber", "Write to the plumber"):
            values = {"title": title, "title_key": title_key(title), "has_title": True, "has_title_key": True}
            values |= {"description": None, "has_description": False}
            yield from ((statements.UPDATE, {"owner": user, "task_id": task, **values}) for user, task in self._tasks)

    def _toggle(self):
        values = {"completed": None}
        return ((statements.COMPLETE, {"owner": user, "task_id": task, **values}) for user, task in self._tasks)


def _list_of(kind: str, number: int) -> dict[str, object]:
    return {"owner": user_id(kind, number), "completed": None}


def transactions_per_second(report: str) -> float:
    """Return the figure of pgbench's report."""
    found = re.search(r"^tps = ([0-9.]+) \(without initial connection time\)", report, re.MULTILINE)
    if not found or re.search(r"number of failed transactions: [1-9]", report):
        raise RuntimeError(f"pgbench: {report}")
    return float(found[1])
