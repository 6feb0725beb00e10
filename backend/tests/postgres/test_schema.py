"""The schema at start: the same whichever way it came about, whoever comes first, whatever was there before."""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg2
import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import NullPool, create_engine

from src.db import Database
from src.errors import UnsuitableDatabaseError
from src.postgres import schema
from src.postgres.schema import MIGRATIONS
from tests.conftest import execute
from tests.support.server import settings_for

COLUMNS = """
    SELECT table_name, column_name, data_type, character_maximum_length, collation_name, is_nullable, column_default,
           is_identity, identity_generation
    FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 2
"""
INDEXES = "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1"
CONSTRAINTS = (
    "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE contype IN ('c', 'p', 'u') ORDER BY 1, 2"
)
TRIGGERS = """
    SELECT pg_get_triggerdef(pg_trigger.oid), prosrc FROM pg_trigger JOIN pg_proc ON pg_proc.oid = tgfoid
    WHERE NOT tgisinternal
"""


def migrate(url: str, revision: str, *, down: bool = False) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    engine = create_engine("postgresql+psycopg2://", creator=lambda: psycopg2.connect(url), poolclass=NullPool)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        (command.downgrade if down else command.upgrade)(config, revision)


def ensure(url: str) -> None:
    """Do what a process does at its start."""

    async def main() -> None:
        database = Database(settings_for(url))
        try:
            await schema.ensure(database.engine)
        finally:
            await database.close()

    asyncio.run(main())


def described(url: str) -> list[Any]:
    queries = (COLUMNS, INDEXES, CONSTRAINTS, TRIGGERS, "SELECT version_num FROM alembic_version")
    return [execute(url, query) for query in queries]


def test_migrations_and_metadata_give_the_same_schema(new_database: Callable[[], str]) -> None:
    created, migrated = new_database(), new_database()
    ensure(created)
    migrate(migrated, "head")
    assert described(created) == described(migrated)


def test_the_head_is_the_newest_migration() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_heads() == [schema.HEAD]


def test_an_older_schema_is_upgraded_with_its_tasks(new_database: Callable[[], str]) -> None:
    url = new_database()
    migrate(url, "0001")
    execute(url, "INSERT INTO tasks (user_id, title) VALUES ('a', 'egg'), ('a', 'Éclair'), ('a', 'apple')")
    ensure(url)
    in_order = execute(url, "SELECT title FROM tasks ORDER BY title_key")
    assert in_order == [("apple",), ("Éclair",), ("egg",)]
    fresh = new_database()
    ensure(fresh)
    assert described(url) == described(fresh)


def test_a_migration_can_be_undone_without_losing_tasks(new_database: Callable[[], str]) -> None:
    url = new_database()
    migrate(url, "head")
    execute(url, "INSERT INTO tasks (user_id, title, title_key) VALUES ('a', 'x', 'x')")
    migrate(url, "0001", down=True)
    assert execute(url, "SELECT title FROM tasks") == [("x",)]
    migrate(url, "base", down=True)
    assert execute(url, "SELECT count(*) FROM pg_tables WHERE tablename = 'tasks'") == [(0,)]


def test_many_processes_may_start_at_once_on_an_empty_database(new_database: Callable[[], str]) -> None:
    url = new_database()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: ensure(url), range(8)))
    assert execute(url, "SELECT version_num FROM alembic_version") == [(schema.HEAD,)]


def test_foreign_tables_of_the_same_name_are_left_alone(new_database: Callable[[], str]) -> None:
    url = new_database()
    execute(url, "CREATE TABLE tasks (id int)")
    with pytest.raises(UnsuitableDatabaseError, match="tasks"):
        ensure(url)
    assert execute(url, "SELECT column_name FROM information_schema.columns WHERE table_name = 'tasks'") == [("id",)]


def test_a_newer_schema_is_served_as_it_is(new_database: Callable[[], str], caplog: pytest.LogCaptureFixture) -> None:
    url = new_database()
    ensure(url)
    execute(url, "UPDATE alembic_version SET version_num = '9999'")
    with caplog.at_level(logging.WARNING):
        ensure(url)
    assert "schema is newer than this version" in caplog.text
    assert execute(url, "SELECT version_num FROM alembic_version") == [("9999",)]


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO tasks (user_id, title, title_key) VALUES ('', 'x', 'x')",
        f"INSERT INTO tasks (user_id, title, title_key) VALUES ('{'u' * 256}', 'x', 'x')",
        "INSERT INTO tasks (user_id, title, title_key) VALUES ('a', '', '')",
        f"INSERT INTO tasks (user_id, title, title_key) VALUES ('a', '{'x' * 201}', 'x')",
        f"INSERT INTO tasks (user_id, title, title_key, description) VALUES ('a', 'x', 'x', '{'x' * 1001}')",
    ],
)
def test_the_limits_hold_for_whoever_writes_past_the_api(database_url: str, service: object, statement: str) -> None:
    with pytest.raises((psycopg2.errors.CheckViolation, psycopg2.errors.StringDataRightTruncation)):
        execute(database_url, statement)


@pytest.mark.parametrize("order", ["created_at, id", "title_key, title, id"])
def test_a_list_is_read_along_an_index_whoever_else_has_tasks(
    database_url: str, service: object, user: str, order: str
) -> None:
    series = "SELECT '{}' || n % {}, 'Task ' || n, 'task ' || n FROM generate_series(1, {}) n"
    insert = "INSERT INTO tasks (user_id, title, title_key) "
    execute(database_url, insert + series.format(user, 200, 20_000))
    execute(database_url, insert + f"SELECT '{user}', 'Mine ' || n, 'mine ' || n FROM generate_series(1, 5000) n")
    execute(database_url, "VACUUM ANALYZE tasks")
    query = f"SELECT * FROM tasks WHERE user_id = '{user}' ORDER BY {order} LIMIT 20"
    plan = "\n".join(str(row[0]) for row in execute(database_url, f"EXPLAIN {query}"))
    assert "Index Scan using tasks_by" in plan
    assert "Sort" not in plan
    assert "Seq Scan" not in plan
