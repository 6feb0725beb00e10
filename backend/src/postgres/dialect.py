"""SQLAlchemy's psycopg2 dialect, made an asyncio one: what libpq waits for, the event loop waits for.

Two official hooks meet here. psycopg2 calls one function wherever libpq would block ("Support for coroutine libraries",
https://www.psycopg.org/docs/advanced.html#support-for-coroutine-libraries). SQLAlchemy runs the synchronous code of a
driver in a greenlet, from which `await_` hands an awaitable to the event loop; its own asyncio dialects are made of it
(https://docs.sqlalchemy.org/en/21/orm/extensions/asyncio.html#using-greenlet-spawn-and-await-only-directly).
Each statement takes along what is left of its operation's time.

Importing this registers `postgresql+psycopg2_asyncio` and changes how every psycopg2 connection of the process waits:
under an `AsyncSession` in the event loop, anywhere else in `select`, as psycopg2 itself would.
"""

import asyncio
import select
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from psycopg2.extensions import POLL_OK, POLL_READ, POLL_WRITE, STATUS_BEGIN, STATUS_READY, set_wait_callback
from psycopg2.extensions import connection as pg_connection
from psycopg2.extras import wait_select
from sqlalchemy import URL, AsyncAdaptedQueuePool, Pool
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql.psycopg2 import PGDialect_psycopg2
from sqlalchemy.engine.interfaces import DBAPICursor
from sqlalchemy.util.concurrency import await_, in_greenlet

from src.postgres.limit import Limit

DRIVER = "psycopg2_asyncio"

_CONNECTED = (STATUS_READY, STATUS_BEGIN)


class AsyncioPsycopg2Dialect(PGDialect_psycopg2):
    """psycopg2 for `create_async_engine`, whose sessions and connections are used within their `run_sync`.

    Their own methods would ask a cursor for a coroutine that closes it, which psycopg2's have not.
    """

    driver = DRIVER
    is_async = True
    supports_statement_cache = True

    @classmethod
    def get_pool_class(cls, url: URL) -> type[Pool]:
        """Return the pool whose queue waits in the event loop."""
        return AsyncAdaptedQueuePool

    def do_execute(self, cursor: DBAPICursor, statement: str, parameters: Any, context: Any = None) -> None:
        """Have the server give up as well, told in the same message: no round trip, nothing that outlives a statement.

        The event `before_cursor_execute` would do, but where an engine has one, SQLAlchemy joins its events with those
        of a connection each time that one is used: 5 % of a request. It would bound `executemany` too, which nothing
        here uses: that is a round trip for each row.
        """
        if limit := Limit.current():
            statement = f"SET LOCAL statement_timeout={limit.milliseconds};{statement}"
        cursor.execute(statement, parameters)


def wait(connection: pg_connection) -> None:
    """Return when libpq has what it waits for; psycopg2 closes the connection when this raises."""
    if not in_greenlet():
        wait_select(connection)
    elif (state := connection.poll()) != POLL_OK:
        await_(_finish(connection, state))


async def _finish(connection: pg_connection, state: int) -> None:
    while state != POLL_OK:
        if state == POLL_READ and connection.status in _CONNECTED:
            state = await _read(connection)
        else:
            # While libpq connects, it may have another socket after each poll, with the same number.
            with _watched(connection.fileno(), writing=state == POLL_WRITE) as ready:
                await ready.wait()
            state = connection.poll()


async def _read(connection: pg_connection) -> int:
    """Let libpq read what arrives, and return what it waits for then.

    An answer comes in pieces of some kilobytes. To watch its socket anew for each would be a quarter of the CPU that a
    list of 1000 takes.
    """
    with _watched(connection.fileno(), writing=False) as ready:
        state = POLL_READ
        while state == POLL_READ:
            await ready.wait()
            ready.clear()
            state = connection.poll()
    return state


@contextmanager
def _watched(descriptor: int, *, writing: bool) -> Iterator[asyncio.Event]:
    loop, ready = asyncio.get_running_loop(), asyncio.Event()
    (loop.add_writer if writing else loop.add_reader)(descriptor, ready.set)
    try:
        yield ready
    finally:
        # Where the server has hung up, libpq has closed the socket by then; its number is nobody else's before this.
        (loop.remove_writer if writing else loop.remove_reader)(descriptor)


def is_stale(connection: pg_connection) -> bool:
    """Whether the server has hung up on an idle connection: nothing is owed to it, so anything to read means that.

    Costs one system call and no round trip.
    """
    if connection.closed:
        return True
    poller = select.poll()  # not `select.select`, which knows only the first 1024 descriptors
    poller.register(connection.fileno(), select.POLLIN)
    return bool(poller.poll(0))


registry.register(f"postgresql.{DRIVER}", __name__, AsyncioPsycopg2Dialect.__name__)
set_wait_callback(wait)
