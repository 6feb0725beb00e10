"""The database: SQLAlchemy's engine with its pool and events, the session factory, and the bounds of an operation.

A service calls `Database.run` with what it wants done in a session. That session is the operation's own: autocommitted,
so that one statement is one transaction and one round trip, and closed before anybody looks at the result. A session
of a `yield` dependency would hold its connection while the answer is serialised (with the default scope, until it is
sent), and have no second attempt.

What is done in a session is plain synchronous SQLModel, which SQLAlchemy runs in a greenlet (`AsyncSession.run_sync`):
where it waits for PostgreSQL, the event loop goes on.
"""

import asyncio
import itertools
import logging
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import psycopg2
from opentelemetry.trace import Tracer
from psycopg2 import errorcodes
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker, create_async_engine
from sqlalchemy.util.concurrency import await_
from sqlmodel import Session
from sqlmodel.ext.asyncio.session import AsyncSession

from src.config import Settings
from src.errors import (
    DatabaseFaultError,
    DatabaseUnavailableError,
    ReadOnlyDatabaseError,
    Unavailable,
    UnsuitableDatabaseError,
)
from src.log import this_request
from src.log.metrics import Connections
from src.postgres import schema
from src.postgres.connecting import Connector
from src.postgres.dialect import DRIVER, is_stale
from src.postgres.faults import had_no_effect, mark_disconnects, sqlstate, translated
from src.postgres.limit import Limit
from src.postgres.presence import Presence
from src.postgres.spans import trace_statements

logger = logging.getLogger(__name__)

T = TypeVar("T")
Operation = Callable[[Session], T]

_RESTART_PAUSES = (0.1, 0.2, 0.5, 1.0, 2.0)  # seconds between attempts to reach the database at start
_MIGRATION_SECONDS = 600  # a longer silence is a dead network; the next attempt finds what was done
_REPEAT_SECONDS = 0.005  # at most so long, times the number of attempts, until what was rolled back is tried again

_PING = text("SELECT 1")

_READ_ONLY = (logging.WARNING, "database read-only")
_WRITABLE = (logging.INFO, "database writable")


def create_engine(settings: Settings, presence: Presence, tracer: Tracer | None = None) -> AsyncEngine:
    """Return the engine; nothing is connected yet.

    `presence` is told what becomes of connections. With a tracer, each statement of a traced request is a span.
    """
    engine = create_async_engine(
        f"postgresql+{DRIVER}://",
        isolation_level="AUTOCOMMIT",
        skip_autocommit_rollback=True,
        pool_size=settings.db_pool_size,
        max_overflow=0,
        pool_use_lifo=True,  # what is not needed goes stale, and the server may end it
        hide_parameters=True,
        use_native_hstore=False,  # looking for the type would be three statements of each new connection
    )
    # Not longer than an operation has: an address that does not answer is to be told from an operation that ends.
    connector = Connector(settings.database_url, min(settings.db_connect_timeout, settings.db_statement_timeout))
    events = engine.sync_engine
    event.listen(events, "do_connect", lambda _dialect, record, *_: _connect(connector, record, presence))
    event.listen(events, "checkout", lambda connection, record, _: _check(connection, record, presence))
    if tracer:
        trace_statements(events, tracer)
    # In this order: `presence` goes by what the first has decided.
    event.listen(events, "handle_error", mark_disconnects)
    event.listen(events, "handle_error", presence.note_end)
    return engine


def _connect(connector: Connector, record: Any, presence: Presence) -> Any:
    """Open a connection in the event loop, names and all."""
    try:
        connection = await_(connector.connect())
    except (OSError, psycopg2.Error) as error:
        presence.unreachable(error)
        raise
    presence.opened()
    # After `presence` was told: a connection that ends an outage must not look older than that end.
    connection.opened = asyncio.get_running_loop().time()
    record.info["new"] = True
    return connection


def _check(connection: Any, record: Any, presence: Presence) -> None:
    """Notice without a round trip that the server has hung up; SQLAlchemy then opens another connection."""
    # A new one is taken as it is: after two that are refused here, SQLAlchemy would not try a third.
    if not record.info.pop("new", False) and is_stale(connection):
        presence.stale(connection.opened)
        raise DisconnectionError


class Database:
    """The engine and the sessions of one process."""

    def __init__(self, settings: Settings, tracer: Tracer | None = None) -> None:
        self._presence = Presence()
        self.engine = create_engine(settings, self._presence, tracer)
        self._sessions = async_sessionmaker(self.engine, class_=AsyncSession, expire_on_commit=False, autoflush=False)
        self._queue_seconds = settings.db_queue_timeout
        self._statement_seconds = settings.db_statement_timeout
        self._places = self._capacity = settings.db_pool_size + settings.db_queue_size
        self._turns = asyncio.Semaphore(settings.db_pool_size)
        self.refused = 0  # requests that found no place in the queue
        self.timed_out = 0  # requests that had one, and no connection in time
        self._read_only = False
        self._ready = asyncio.Event()
        self._preparing: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to prepare the schema; returns at once, so that a sleeping database delays nobody."""
        self._preparing = asyncio.create_task(self._prepare())

    async def close(self) -> None:
        """Hang up."""
        if self._preparing:
            self._preparing.cancel()
            with suppress(asyncio.CancelledError):
                await self._preparing
        self._ready.clear()
        await self.engine.dispose()

    async def run(self, operation: Operation[T], *, repeatable: bool = False) -> T:
        """Do something in a session of its own, within bounds of number and time, and return what it returns.

            now = await database.run(lambda session: session.scalar(text("SELECT now()")), repeatable=True)

        Args:
            operation: what to do; nothing but statements of the session, since it may be done again.
            repeatable: whether doing it twice equals doing it once, so that it may follow a lost connection.

        Raises:
            DatabaseUnavailableError: no connection, no place in the queue, or no answer in time.
            DatabaseFaultError: the statement itself is at fault.
        """
        started = time.perf_counter()
        try:
            with self._place():
                await self._turn()
                try:
                    return await self._bounded(operation, repeatable)
                finally:
                    self._turns.release()
        finally:
            this_request().db_seconds += time.perf_counter() - started

    async def in_session(self, operation: Operation[T]) -> T:
        """Do something in a session of its own, once and without bounds; `run` has them."""
        return await self._sessions().run_sync(_in_session, operation)

    async def ping(self) -> None:
        """Make one round trip.

        Raises:
            DatabaseUnavailableError: it failed, or the schema is not there yet.
        """
        await self.run(lambda session: session.scalar(_PING), repeatable=True)

    @property
    def connections(self) -> Connections:
        """What there is at this moment; safe to ask from another thread."""
        pool: Any = self.engine.pool
        used = pool.checkedout()
        return Connections(used, pool.checkedin(), pool.size(), max(0, self._capacity - self._places - used))

    async def _bounded(self, operation: Operation[T], repeatable: bool) -> T:
        try:
            async with Limit(self._statement_seconds) as limit:
                result = await self._attempts(operation, repeatable, limit)
        except (OSError, DBAPIError) as error:  # TimeoutError is an OSError
            failure = translated(error)
            this_request().sqlstate = sqlstate(error)
        else:
            self._presence.answered()
            if not repeatable:  # Then it has written. (The demo's purge writes as well, and tells nothing here.)
                self._note_writes(refused=False)
            return result
        if isinstance(failure, ReadOnlyDatabaseError):
            self._note_writes(refused=True)
        # Not from within: the texts of PostgreSQL and SQLAlchemy quote values, and a log shows what an error came from.
        raise failure

    def _note_writes(self, *, refused: bool) -> None:
        """Say once when the database begins to refuse writes, and once when it takes them again."""
        if refused is not self._read_only:
            self._read_only = refused
            logger.log(*_READ_ONLY if refused else _WRITABLE)

    @contextmanager
    def _place(self) -> Iterator[None]:
        """Bound how many run and wait."""
        if not self._places:
            self.refused += 1
            raise DatabaseUnavailableError(Unavailable.QUEUE_FULL)
        self._places -= 1
        try:
            yield
        finally:
            self._places += 1

    async def _turn(self) -> None:
        """Wait until the schema is there and one of the pool's connections is free, in the order of arrival.

        The pool could wait itself, but in an `asyncio.Queue`: its waiters find their item taken by newcomers, and join
        it again at its end.
        """
        if self._ready.is_set() and not self._turns.locked():
            await self._turns.acquire()  # does not wait, and needs no timer
            return
        reason = Unavailable.NOT_READY
        try:
            async with asyncio.timeout(self._queue_seconds):
                await self._ready.wait()
                reason = Unavailable.QUEUE_TIMEOUT
                await self._turns.acquire()
        except TimeoutError:
            self.timed_out += reason is Unavailable.QUEUE_TIMEOUT
            raise DatabaseUnavailableError(reason) from None

    async def _attempts(self, operation: Operation[T], repeatable: bool, limit: Limit) -> T:
        """Repeat what surely had no effect, and once what may have it twice; the deadline stays the same."""
        lost = False
        attempt = 0
        while True:
            try:
                return await self.in_session(operation)
            except DBAPIError as error:
                again = had_no_effect(error) or (repeatable and error.connection_invalidated)
                if not again or (lost and error.connection_invalidated):
                    raise
                lost, failed = error.connection_invalidated, error
            attempt += 1
            await asyncio.sleep(random.uniform(0, _REPEAT_SECONDS * attempt))  # noqa: S311  # nothing secret depends on it
            if limit.over:
                raise failed

    async def _prepare(self) -> None:
        """Ensure the schema, however long the database takes to appear."""
        said = ""
        for pause in itertools.chain(_RESTART_PAUSES, itertools.repeat(_RESTART_PAUSES[-1])):
            try:
                await self._ensure_schema()
            except Exception as error:  # noqa: BLE001  # whatever it is, a process that is not ready must say why
                reason = _reason(error)
                if reason != said:
                    logger.warning("database not ready", extra={"reason": reason})
                said = reason
                await asyncio.sleep(pause)
            else:
                self._ready.set()
                logger.info("database ready")
                return

    async def _ensure_schema(self) -> None:
        """Recognise the usual case by one statement."""
        try:
            if await self._bounded(lambda session: session.scalar(schema.CURRENT), repeatable=True) == schema.EXPECTED:
                return
        except DatabaseFaultError as error:
            if error.sqlstate != errorcodes.UNDEFINED_TABLE:
                raise
        async with asyncio.timeout(_MIGRATION_SECONDS):
            await schema.ensure(self.engine)


# `Any`, since `run_sync` is typed for SQLAlchemy's session, and this one is SQLModel's.
def _in_session(session: Any, operation: Operation[T]) -> T:
    """Do it and close the session, all in one greenlet; `async with` would need a second one, 6 % of a request."""
    with session:
        return operation(session)


def _reason(error: Exception) -> str:
    """Say why the schema is not ready, without the driver's text: that may name hosts and users."""
    if isinstance(error, DatabaseUnavailableError):
        return str(error.reason)
    if isinstance(error, UnsuitableDatabaseError | DatabaseFaultError):
        return str(error)
    return " ".join(filter(None, (type(error).__name__, sqlstate(error))))
