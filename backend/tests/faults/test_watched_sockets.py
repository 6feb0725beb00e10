"""The watch that the event loop keeps on a connection's socket, whatever becomes of the connection.

On a server of their own, since these tests end its sessions: a pooler would keep the service's end of one.
"""

import asyncio
import gc
import os
import socket
import time
from typing import Any

import psycopg2
import pytest
import uvloop
from sqlalchemy import text
from sqlalchemy.util.concurrency import greenlet_spawn
from sqlmodel import Session

from src.db import Database
from src.postgres.dialect import AsyncioConnection
from tests.support.polling import eventually
from tests.support.postgres_server import Postgres
from tests.support.server import settings_for


@pytest.fixture
def url(postgres: Postgres, database: str) -> str:
    return postgres.url(database)


class _Watching:
    """Notes what a loop is told to watch; stands before one of the loop classes."""

    def __init__(self) -> None:
        super().__init__()
        self.begun: list[int] = []
        self.watched: set[int] = set()

    def add_reader(self, descriptor: int, *arguments: Any) -> Any:
        self.begun.append(descriptor)
        self.watched.add(descriptor)
        return super().add_reader(descriptor, *arguments)

    def remove_reader(self, descriptor: int) -> Any:
        self.watched.discard(descriptor)
        return super().remove_reader(descriptor)


class _WatchingUvloop(_Watching, uvloop.Loop):
    pass


class _WatchingAsyncio(_Watching, asyncio.SelectorEventLoop):
    pass


def _one(session: Session) -> Any:
    return session.scalar(text("SELECT 1"))


def test_a_connection_is_watched_from_one_statement_to_the_next(url: str) -> None:
    async def main(loop: _Watching) -> None:
        database = Database(settings_for(url, db_pool_size=1))
        await database.in_session(_one)
        begun = len(loop.begun)
        assert [await database.in_session(_one) for _ in range(5)] == [1] * 5
        assert len(loop.begun) == begun
        assert len(loop.watched) == 1
        await database.close()
        assert loop.watched == set(), "the number of a closed socket will be another's"

    with asyncio.Runner(loop_factory=_WatchingUvloop) as runner:
        runner.run(main(runner.get_loop()))


def _sleep(connection: AsyncioConnection) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(5)")


@pytest.mark.parametrize("loop_class", [_WatchingUvloop, _WatchingAsyncio])
def test_a_connection_that_ends_between_two_statements_costs_the_loop_nothing(
    postgres: Postgres, database: str, loop_class: type[_Watching]
) -> None:
    async def main(loop: _Watching) -> None:
        ours = Database(settings_for(postgres.url(database), db_pool_size=1))
        await ours.in_session(_one)
        await asyncio.to_thread(postgres.hang_up, database)
        used = time.thread_time()
        await asyncio.sleep(1)
        assert time.thread_time() - used < 0.5, "a socket with something to read is reported in every turn"
        assert loop.watched == set()
        assert await ours.in_session(_one) == 1
        await ours.close()
        assert loop.watched == set()

    with asyncio.Runner(loop_factory=loop_class) as runner:
        runner.run(main(runner.get_loop()))


@pytest.mark.parametrize("loop_class", [_WatchingUvloop, _WatchingAsyncio])
def test_what_is_broken_off_is_watched_no_longer(url: str, loop_class: type[_Watching]) -> None:
    """Before psycopg2 closes it, not when SQLAlchemy does: while a connection is set up, nobody else has it yet."""

    async def main(loop: _Watching) -> None:
        connection = await _own(url)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await greenlet_spawn(_sleep, connection)
        assert connection.closed
        assert loop.watched == set()

    with asyncio.Runner(loop_factory=loop_class) as runner:
        runner.run(main(runner.get_loop()))


def _own(url: str) -> Any:
    return greenlet_spawn(psycopg2.connect, url, connection_factory=AsyncioConnection)


@pytest.mark.parametrize("loop_class", [_WatchingUvloop, _WatchingAsyncio])
def test_a_reset_is_noticed_though_something_is_left_to_read(
    postgres: Postgres, database: str, loop_class: type[_Watching]
) -> None:
    """libuv stops watching a socket in error, tells that as if there were something to read, and does so once."""

    async def main() -> None:
        connection = await _own(postgres.url(database))

        def reset() -> None:
            with socket.socket(fileno=os.dup(connection.fileno())) as raw:
                raw.send(b"Q")  # a server that ends with something unread resets the connection
            postgres.hang_up(database)
            time.sleep(0.3)  # its last words and the reset are there in the same turn of the loop

        asyncio.get_running_loop().call_later(0.1, reset)
        with pytest.raises(psycopg2.OperationalError):
            async with asyncio.timeout(5):
                await greenlet_spawn(_sleep, connection)

    with asyncio.Runner(loop_factory=loop_class) as runner:
        runner.run(main())


@pytest.mark.parametrize("loop_class", [_WatchingUvloop, _WatchingAsyncio])
def test_a_connection_that_nobody_has_is_hung_up(
    postgres: Postgres, database: str, loop_class: type[_Watching]
) -> None:
    def use(connection: AsyncioConnection) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")

    async def main(loop: _Watching) -> None:
        await greenlet_spawn(use, await _own(postgres.url(database)))
        gc.collect()
        assert loop.watched == set()
        await asyncio.to_thread(eventually, lambda: not postgres.connections(database), 5, "the server's end of it")

    with asyncio.Runner(loop_factory=loop_class) as runner:
        runner.run(main(runner.get_loop()))


@pytest.mark.parametrize("loop", [uvloop.new_event_loop, asyncio.new_event_loop])
def test_a_connection_given_up_while_it_opens_is_hung_up_though_the_error_is_kept(
    postgres: Postgres, database: str, loop: Any
) -> None:
    async def main() -> None:
        kept = []
        for milliseconds in range(8):
            opening = asyncio.ensure_future(_own(postgres.url(database)))
            await asyncio.sleep(milliseconds / 1000)
            opening.cancel()
            (outcome,) = await asyncio.gather(opening, return_exceptions=True)
            if isinstance(outcome, AsyncioConnection):
                outcome.close()
            else:
                kept.append(opening)
        await asyncio.to_thread(eventually, lambda: not postgres.connections(database), 2, "the server's end of them")
        assert kept

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(main())
