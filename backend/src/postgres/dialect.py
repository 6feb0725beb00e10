"""SQLAlchemy's psycopg2 dialect, made an asyncio one: what libpq waits for, the event loop waits for.

Two official hooks meet here. psycopg2 calls one function wherever libpq would block ("Support for coroutine libraries",
https://www.psycopg.org/docs/advanced.html#support-for-coroutine-libraries). SQLAlchemy runs the synchronous code of a
driver in a greenlet, from which `await_` hands an awaitable to the event loop; its own asyncio dialects are made of it
(https://docs.sqlalchemy.org/en/21/orm/extensions/asyncio.html#using-greenlet-spawn-and-await-only-directly).
Each statement takes along what is left of its operation's time.

Importing this registers `postgresql+psycopg2_asyncio` and changes how psycopg2 waits in the process: with an
`AsyncioConnection` under an `AsyncSession` in the event loop, any other in `select`, as psycopg2 itself would.
"""

import asyncio
import select
from collections.abc import Callable
from contextvars import Context
from functools import partial
from typing import Any
from weakref import WeakMethod

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

    Their own methods (`await session.exec(…)`) end in a private coroutine of the driver's cursor; psycopg2's has none.
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


class AsyncioConnection(pg_connection):
    """A connection whose socket the event loop watches, from one statement to the next.

    To begin and end that for each statement is 5 % of a request; for each piece of a long answer, a quarter of a list
    of 1000. (asyncio's own loop still ends it with most statements: it reports a socket once more after its answer.)
    """

    opened = 0.0  # when, in the event loop's time
    _arrival: "asyncio.Future[None] | None" = None
    _end_watch: Callable[[], object] | None = None
    _errors: (
        select.poll
    )  # on the watched socket, with no events asked for: errors and hang-ups are reported all the same

    def arrival(self) -> "asyncio.Future[None]":
        """Return what is done as soon as there is something to read."""
        loop = asyncio.get_running_loop()
        if not self._end_watch:
            descriptor = self.fileno()
            # A weak reference: the watch must not keep a connection that nobody holds, as one whose set-up failed.
            # An empty context: the loop keeps the one in which a reader is added, which would be some request's.
            Context().run(loop.add_reader, descriptor, _call, WeakMethod(self._arrived))
            self._end_watch = partial(loop.remove_reader, descriptor)
            self._errors = select.poll()
            self._errors.register(descriptor, 0)
        self._arrival = loop.create_future()
        return self._arrival

    def _arrived(self) -> None:
        if not self._arrival or self._arrival.done():
            self.unwatch()  # As a rule the server has hung up; nobody reads that, and the loop would tell it for ever.
            return
        self._arrival.set_result(None)
        if self._errors.poll(0):
            # After an error uvloop watches no longer, in silence; there may be more to read than the next `poll` takes.
            self.unwatch()

    def unwatch(self) -> None:
        """Have the event loop forget the socket, before or right after that is closed: its number is given again."""
        if self._end_watch:
            self._end_watch()
            self._end_watch = None

    def close(self) -> None:
        """Hang up."""
        self.unwatch()
        super().close()

    def __del__(self) -> None:
        """Hang up as well; psycopg2 closes the socket of what is dropped."""
        self.unwatch()


def _call(method: WeakMethod[Callable[[], None]]) -> None:
    if callback := method():
        callback()


def wait(connection: pg_connection) -> None:
    """Return when libpq has what it waits for; psycopg2 closes the connection when this raises."""
    if not isinstance(connection, AsyncioConnection) or not in_greenlet():
        wait_select(connection)
        return
    try:
        while (state := connection.poll()) != POLL_OK:
            if state == POLL_READ and connection.status in _CONNECTED:
                await_(connection.arrival())
            else:
                await_(_ready(connection.fileno(), state))
    except BaseException:
        if connection.status in _CONNECTED:
            connection.unwatch()  # psycopg2 closes it
        else:
            connection.close()  # psycopg2 does not, and who holds the error holds the socket
        raise


async def _ready(descriptor: int, state: int) -> None:
    """Wait for a socket once, to write or while libpq connects: then it may be another after each poll."""
    loop, ready = asyncio.get_running_loop(), asyncio.Event()
    add, remove = (
        (loop.add_writer, loop.remove_writer) if state == POLL_WRITE else (loop.add_reader, loop.remove_reader)
    )
    add(descriptor, ready.set)
    try:
        await ready.wait()
    finally:
        remove(descriptor)


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
