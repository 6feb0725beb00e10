"""The database as the services see it: `fetch` runs one prepared statement, in one round trip.

Waiting for one of the pool's connections happens in the event loop, is bounded in number and time, and ends in 503.
From its place on, a request has one deadline for everything: connecting, the statement, and the one repetition where
that is surely harmless. Rank 5.
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
from src.calls import Call
from src.config import Settings
from src.errors import AppError, DatabaseUnavailableError, UnknownSchemaError
from src.faults import translated
from src.pool import Pool
from src.statement import Statement, T, one_row

logger = logging.getLogger(__name__)

_RESTART_PAUSES = (0.1, 0.2, 0.5, 1.0, 2.0)  # seconds between attempts to reach the database at start
_MIGRATION_SECONDS = 600  # a longer silence is a dead network; the next attempt finds what was done

PING = Statement("SELECT 1", one_row, repeatable=True)


class Database:
    """The connections of one process."""

    def __init__(self, settings: Settings) -> None:
        self._queue_seconds = settings.db_queue_timeout
        self._pool = Pool(settings)
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
        await self._pool.close()

    async def fetch(self, statement: Statement[T], /, **parameters: Any) -> T:
        """Run one statement on one connection and return what it reads.

        Raises:
            DatabaseUnavailableError: no connection, no place in the queue, or no answer in time.
            psycopg2.Error: the statement itself is at fault.
        """
        if not self._ready.is_set():
            await self._until_ready()
        return await self._run(statement, parameters)

    async def ping(self) -> None:
        """Make one round trip.

        Raises:
            DatabaseUnavailableError: it failed, or the schema is not there yet.
        """
        await self.fetch(PING)

    async def _until_ready(self) -> None:
        """Let a request that comes with the start of the process wait for the schema, not fail."""
        try:
            async with asyncio.timeout(self._queue_seconds):
                await self._ready.wait()
        except TimeoutError:
            raise DatabaseUnavailableError from None

    async def _run(self, statement: Statement[T], parameters: dict[str, Any]) -> T:
        call = Call(statement, parameters)
        self._pool.submit(call)
        try:
            answer: T = await call.answer
        except psycopg2.Error as error:
            raise translated(error) from error
        except asyncio.CancelledError:
            self._pool.withdraw(call)
            raise
        else:
            return answer

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
