"""The seam between SQLAlchemy and psycopg2: every form of a statement that the service uses, and psycopg2 outside.

An upgrade of either library that moves the seam fails here at once.
"""

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import psycopg2
import pytest
import uvloop
from sqlalchemy import bindparam, insert, text
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session, select

from src.db import Database
from src.models import Task
from src.services import statements
from tests.support.server import Service, settings_for

Use = Callable[[Session], Any]
PARAMETERS = {"owner": "seam", "title": "t", "title_key": "t", "description": None}


def used(url: str, use: Use) -> Any:
    """Return what a session of the service's own engine gives, and show that its connection is given back."""

    async def main() -> Any:
        database = Database(settings_for(url, db_pool_size=1))
        try:
            result = await database.in_session(use)
            assert database.engine.sync_engine.pool.status().startswith("Pool size: 1  Connections in pool: 1")
            return result
        finally:
            await database.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main())


def _row(session: Session) -> Any:
    task = session.exec(statements.CREATE, params=PARAMETERS).one_or_none()
    found = session.exec(statements.GET, params={"owner": "seam", "task_id": task.id}).one_or_none()
    return found.title


def _entity(session: Session) -> Any:
    session.scalar(statements.CREATE, PARAMETERS)
    return session.exec(select(Task).where(Task.user_id == bindparam("owner")), params=PARAMETERS).all()[0].title


def _columns(session: Session) -> Any:
    session.scalar(statements.CREATE, PARAMETERS)
    return session.exec(select(Task.title).where(Task.title == bindparam("title")), params=PARAMETERS).all()[0]


def _returning(session: Session) -> Any:
    values = {"user_id": "seam", "title": "t", "title_key": "t"}
    return session.exec(insert(statements.tasks).values(**values).returning(statements.tasks.c.title)).one().title


def _text(session: Session) -> Any:
    return session.scalar(text("SELECT CAST(:title AS text)"), PARAMETERS)


def _conditional(session: Session) -> Any:
    task = session.exec(statements.CREATE, params=PARAMETERS).one()
    parameters = {"owner": "seam", "task_id": task.id, "wanted": [task.updated_at], "unwanted": [], "completed": True}
    changed = session.exec(statements.COMPLETE_IF, params=parameters).one()
    return changed.title if changed.there and changed.completed else None


def _several(session: Session) -> Any:
    owner = {"owner": "several"}
    rows = [{**PARAMETERS, **owner, "completed": completed} for completed in (True, False)]
    session.exec(statements.CREATE_ALL, params=rows)
    mine = select(Task).where(Task.user_id == bindparam("owner")).order_by(statements.tasks.c.id)
    *_, first, second = session.exec(mine, params=owner).all()
    return first.title if first.completed and not second.completed else None


@pytest.mark.parametrize("use", [_row, _entity, _returning, _columns, _text, _conditional, _several])
def test_every_form_in_use_gives_its_result(database_url: str, service: Service, use: Use) -> None:
    assert used(database_url, use) == "t"


def _fault(session: Session) -> None:
    with pytest.raises(DBAPIError):
        session.scalar(text("SELECT 1/0"))


def _fault_and_further(session: Session) -> Any:
    _fault(session)
    return session.scalar(text("SELECT 2"))


def test_an_error_leaves_the_connection_usable(database_url: str, service: Service) -> None:
    assert used(database_url, _fault_and_further) == 2


_PIECES = "SELECT repeat('x', 9000), pg_sleep(0.02){} FROM generate_series(1, 10) number"
_ENDS = ", CASE number WHEN 5 THEN pg_terminate_backend(pg_backend_pid()) END"


def _pieces(session: Session) -> Any:
    return sum(len(row[0]) for row in session.exec(text(_PIECES.format(""))).all())


def test_an_answer_that_comes_in_pieces_is_whole(database_url: str, service: Service) -> None:
    assert used(database_url, _pieces) == 90_000


@pytest.mark.parametrize("loop_factory", [uvloop.new_event_loop, asyncio.new_event_loop])
def test_a_connection_that_ends_between_two_pieces_is_followed_by_another_with_its_number(
    database_url: str, service: Service, loop_factory: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    async def main() -> Any:
        database = Database(settings_for(database_url, db_pool_size=1))
        try:
            for _ in range(3):
                with pytest.raises(DBAPIError) as raised:
                    await database.in_session(lambda session: session.scalar(text(_PIECES.format(_ENDS))))
                assert raised.value.connection_invalidated
                assert await database.in_session(_pieces) == 90_000
        finally:
            await database.close()

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(main())


def test_sessions_wait_side_by_side_in_one_thread(database_url: str, service: Service) -> None:
    async def main() -> float:
        database = Database(settings_for(database_url, db_pool_size=4))

        async def sleep() -> int:
            await database.in_session(lambda session: session.scalar(text("SELECT pg_sleep(0.5)")))
            return threading.get_ident()

        started = time.monotonic()
        threads = await asyncio.gather(*(sleep() for _ in range(4)))
        await database.close()
        assert set(threads) == {threading.get_ident()}
        return time.monotonic() - started

    assert asyncio.run(main()) < 1.9, "one after the other would be two seconds"


def test_psycopg2_outside_of_a_session_waits_as_usual(database_url: str) -> None:
    """Alembic's, and that of any other library in the process."""
    connection = psycopg2.connect(database_url)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(0.01), 3")
            assert cursor.fetchone() == ("", 3)
    finally:
        connection.close()


def test_a_session_needs_no_event_loop_policy(database_url: str, service: Service) -> None:
    """uvicorn uses uvloop in the images and asyncio's own loop elsewhere."""

    async def main() -> Any:
        database = Database(settings_for(database_url))
        result = await database.in_session(lambda session: session.scalar(text("SELECT 4")))
        await database.close()
        return result

    assert asyncio.run(main()) == 4
