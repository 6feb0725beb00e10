"""The database as the services see it: `fetch` runs one prepared statement, in one round trip.

A limiter with as many places as there may be connections stands in front of the pool, so waiting happens in the
event loop, is bounded in number and time, and ends in 503. From its place on, a request has one deadline for
everything: connecting, the statement, and the one repetition where that is surely harmless. Rank 4.
"""

import asyncio
import logging
from contextlib import suppress
from typing import Any

import psycopg2
from psycopg2.errors import UndefinedTable
from sqlalchemy.exc import SQLAlchemyError

from src import schema
from src.blocking import Threads
from src.config import Settings
from src.errors import AppError, DatabaseUnavailableError, UnknownSchemaError
from src.faults import may_repeat, translated
from src.limiter import Limiter, OverloadedError
from src.pool import Pool
from src.postgres import Connection, Row
from src.statement import Statement

logger = logging.getLogger(__name__)

_RESTART_PAUSES = (0.1, 0.2, 0.5, 1.0, 2.0)  # seconds between attempts to reach the database at start
_MIGRATION_SECONDS = 600  # a longer silence is a dead network; the next attempt finds what was done

PING = Statement("SELECT 1", repeatable=True)


class Database:
    """The connections of one process."""

    def __init__(self, settings: Settings) -> None:
        self._seconds = settings.db_statement_timeout
        self._queue_seconds = settings.db_queue_timeout
        self._pool = Pool(settings)
        self._places = Limiter(settings.db_pool_size, queue=settings.db_queue_size, seconds=settings.db_queue_timeout)
        self._ready = asyncio.Event()
        self._preparing: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to prepare the schema; returns at once, so that a sleeping database delays nobody."""
        self._preparing = asyncio.create_task(self._prepare())

    async def close(self) -> None:
        """Hang up all idle connections; the others follow when their statement ends."""
        if self._preparing:
            self._preparing.cancel()
            with suppress(asyncio.CancelledError):
                await self._preparing
        self._ready.clear()
        self._pool.close()

    async def fetch(self, statement: Statement, /, **parameters: Any) -> Row | None:
        """Run one statement on one connection and return its first row.

        Raises:
            DatabaseUnavailableError: no connection, no place in the queue, or no answer in time.
            psycopg2.Error: the statement itself is at fault.
        """
        try:
            if not self._ready.is_set():
                await self._until_ready()
            await self._places.acquire()
        except (OverloadedError, TimeoutError):
            raise DatabaseUnavailableError from None
        try:
            return await self._run(statement, parameters)
        finally:
            self._places.release()

    async def ping(self) -> None:
        """Make one round trip.

        Raises:
            DatabaseUnavailableError: it failed, or the schema is not there yet.
        """
        await self.fetch(PING)

    async def _until_ready(self) -> None:
        """Let a request that comes with the start of the process wait for the schema, not fail."""
        async with asyncio.timeout(self._queue_seconds):
            await self._ready.wait()

    async def _run(self, statement: Statement, parameters: dict[str, Any]) -> Row | None:
        deadline = asyncio.get_running_loop().time() + self._seconds
        connection = await self._pool.take(deadline)
        try:
            return await self._attempt(connection, statement, parameters, deadline)
        except psycopg2.Error as error:
            if not may_repeat(error, statement, broken=not connection.usable, sent=connection.sent):
                raise translated(error) from error
        # Not an idle one: what broke this connection may have broken those too.
        connection = await self._pool.open(deadline)
        try:
            return await self._attempt(connection, statement, parameters, deadline)
        except psycopg2.Error as error:
            raise translated(error) from error

    async def _attempt(
        self, connection: Connection, statement: Statement, parameters: dict[str, Any], deadline: float
    ) -> Row | None:
        try:
            return await connection.run(statement.sql, parameters, deadline)
        except TimeoutError:
            connection.abandon()
            self._pool.hang_up_idle()
            raise DatabaseUnavailableError from None
        except asyncio.CancelledError:
            connection.abandon()
            raise
        finally:
            self._pool.give_back(connection)

    async def _prepare(self) -> None:
        """Ensure the schema, however long the database takes to appear."""
        failures = 0
        while not self._ready.is_set():
            try:
                await self._ensure_schema()
            except (psycopg2.Error, SQLAlchemyError, AppError, UnknownSchemaError, TimeoutError) as error:
                logger.warning("database not ready", extra={"reason": schema.reason(error)})
                await asyncio.sleep(_RESTART_PAUSES[min(failures, len(_RESTART_PAUSES) - 1)])
                failures += 1
            else:
                self._ready.set()
                logger.info("database ready")

    async def _ensure_schema(self) -> None:
        """Recognise the usual case by one statement; the rest is done elsewhere, by blocking code in a thread."""
        try:
            if await self._run(schema.VERSION, {}) == (schema.HEAD,):
                return
        except UndefinedTable:
            pass
        async with asyncio.timeout(_MIGRATION_SECONDS):
            await Threads(1).run(schema.ensure, self._pool.dsn)
