"""The database as the services see it: `fetch` runs one prepared statement, in one round trip.

A limiter with as many places as there are connections stands in front of the pool, so waiting happens in the
event loop, is bounded in number and time, and ends in 503. A statement is repeated once where that is surely
harmless. Rank 4.
"""

import asyncio
import logging
from contextlib import suppress
from typing import Any

import anyio.to_thread
import psycopg2
from sqlalchemy.exc import SQLAlchemyError

from src import schema
from src.config import Settings
from src.connecting import connect, with_defaults
from src.errors import DatabaseUnavailableError, UnknownSchemaError
from src.faults import may_repeat, translated
from src.limiter import Limiter, OverloadedError
from src.postgres import Connection, Row
from src.statement import Statement

logger = logging.getLogger(__name__)

_RESTART_PAUSES = (0.1, 0.2, 0.5, 1.0, 2.0)  # seconds between attempts to reach the database at start


PING = Statement("SELECT 1", repeatable=True)


class Database:
    """The connections of one process."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._dsn = with_defaults(settings.database_url)
        self._idle: list[Connection] = []
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
        while self._idle:
            self._idle.pop().close()

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

    async def _until_ready(self) -> None:
        """Let a request that comes with the start of the process wait for the schema, not fail."""
        async with asyncio.timeout(self._settings.db_queue_timeout):
            await self._ready.wait()

    async def ping(self) -> None:
        """Make one round trip.

        Raises:
            DatabaseUnavailableError: it failed, or the schema is not there yet.
        """
        await self.fetch(PING)

    async def _run(self, statement: Statement, parameters: dict[str, Any]) -> Row | None:
        connection = await self._take()
        try:
            return await self._attempt(connection, statement, parameters)
        except psycopg2.Error as error:
            if not may_repeat(error, statement, broken=not connection.usable, sent=connection.sent):
                raise translated(error) from error
        return await self._run_again(statement, parameters)

    async def _run_again(self, statement: Statement, parameters: dict[str, Any]) -> Row | None:
        try:
            return await self._attempt(await self._connect(), statement, parameters)
        except psycopg2.Error as error:
            raise translated(error) from error

    async def _attempt(self, connection: Connection, statement: Statement, parameters: dict[str, Any]) -> Row | None:
        try:
            return await connection.run(statement.sql, parameters, self._settings.db_statement_timeout)
        except TimeoutError:
            connection.abandon()
            raise DatabaseUnavailableError from None
        except asyncio.CancelledError:
            connection.abandon()
            raise
        finally:
            self._give_back(connection)

    async def _take(self) -> Connection:
        """Return an idle connection that is still alive, or a new one."""
        while self._idle:
            connection = self._idle.pop()
            if not connection.stale:
                return connection
            connection.close()
        return await self._connect()

    async def _connect(self) -> Connection:
        try:
            async with asyncio.timeout(self._settings.db_connect_timeout):
                return Connection(await connect(self._dsn), self._forget)
        except (TimeoutError, psycopg2.Error) as error:
            # The driver's text may hold the host and the user; its class says enough.
            logger.warning("database unreachable", extra={"reason": type(error).__name__})
            raise DatabaseUnavailableError from error

    def _give_back(self, connection: Connection) -> None:
        if connection.usable and self._ready.is_set():
            self._idle.append(connection)
        elif not connection.abandoned:
            connection.close()

    def _forget(self, connection: Connection) -> None:
        if connection in self._idle:
            self._idle.remove(connection)

    async def _prepare(self) -> None:
        """Ensure the schema, however long the database takes to appear."""
        failures = 0
        while not self._ready.is_set():
            try:
                await anyio.to_thread.run_sync(schema.ensure, self._dsn, abandon_on_cancel=True)
            except (psycopg2.Error, SQLAlchemyError, UnknownSchemaError) as error:
                logger.warning("database not ready", extra={"reason": schema.reason(error)})
                await asyncio.sleep(_RESTART_PAUSES[min(failures, len(_RESTART_PAUSES) - 1)])
                failures += 1
            else:
                self._ready.set()
                logger.info("database ready")
