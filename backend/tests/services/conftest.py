"""A next release: this service in a folder of its own, whose tasks have four fields more."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from src.postgres.schema import HEAD
from tests.support.copies import insert_after
from tests.support.process import install
from tests.support.processes import ServiceProcess

NEXT = f"{int(HEAD) + 1:04}"

# All that is written by hand for fields: what a client may write, what it gets, what is stored, and the migration.
MODELS = {
    "MAX_TITLE": "from datetime import date\n\nfrom pydantic import AwareDatetime, StrictInt",
    "TaskBase.description": (
        "priority: StrictInt = Field(default_factory=int, ge=0, le=9)\n"
        "note: Description | None = None\n"
        "due: date | None = None\n"
        "remind_at: AwareDatetime | None = None"
    ),
    "TaskResponse.description": (
        "priority: int = Field(ge=0, le=9)\nnote: str | None\ndue: date | None\nremind_at: Instant | None"
    ),
    "Task.description": (
        'priority: int = Field(default=0, sa_column_kwargs={"server_default": "0"})\n'
        "note: str | None = Field(default=None, sa_column=Column(Text))\n"
        "due: date | None = None\n"
        "remind_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))"
    ),
}
MIGRATION = f'''
import sqlalchemy as sa
from alembic import op

revision = "{NEXT}"
down_revision = "{HEAD}"


def upgrade():
    op.add_column("tasks", sa.Column("priority", sa.Integer(), server_default="0", nullable=False))
    op.add_column("tasks", sa.Column("note", sa.Text()))
    op.add_column("tasks", sa.Column("due", sa.Date()))
    op.add_column("tasks", sa.Column("remind_at", sa.DateTime(timezone=True)))
'''


@pytest.fixture(scope="session")
def next_release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    backend = install(tmp_path_factory.mktemp("next"))
    for place, code in MODELS.items():
        insert_after(backend / "src" / "models.py", place, code)
    (backend / "migrations" / "versions" / f"{NEXT}_fields.py").write_text(MIGRATION)
    return backend


@pytest.fixture(scope="module")
def start_next(next_release: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], str]]:
    """Start the next release on a database, and return its URL."""
    started: list[ServiceProcess] = []

    def start(database_url: str) -> str:
        log = tmp_path_factory.mktemp("logs") / "next.log"
        started.append(ServiceProcess(database_url, log, backend=next_release))
        started[-1].wait_ready()
        return started[-1].url

    yield start
    for process in started:
        process.cleanup()
