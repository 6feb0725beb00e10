"""The open connections of one process. How many there may be is decided before anybody asks here (`db.py`). Rank 3."""

import asyncio
import logging

import psycopg2

from src.blocking import Threads
from src.config import Settings
from src.connecting import connect, with_defaults
from src.errors import DatabaseUnavailableError
from src.postgres import Connection

logger = logging.getLogger(__name__)


class Pool:
    """Idle connections, the most recently used first; a dead one is noticed without a round trip."""

    def __init__(self, settings: Settings) -> None:
        self.dsn = with_defaults(settings.database_url)
        self._connect_timeout = settings.db_connect_timeout
        self._size = settings.db_pool_size
        self._threads = Threads(self._size)
        self._idle: list[Connection] = []
        self._closed = False

    async def take(self, deadline: float) -> Connection:
        """Return an idle connection that is still alive, or a new one.

        Raises:
            DatabaseUnavailableError: none could be opened in time.
        """
        while self._idle:
            connection = self._idle.pop()
            if not connection.stale:
                return connection
            connection.close()
        return await self.open(deadline)

    async def open(self, deadline: float) -> Connection:
        """Return a new connection.

        Raises:
            DatabaseUnavailableError: not in time, or refused.
        """
        latest = asyncio.get_running_loop().time() + self._connect_timeout
        try:
            async with asyncio.timeout_at(min(latest, deadline)):
                return Connection(await connect(self.dsn, self._threads), self._forget)
        except (OSError, psycopg2.Error) as error:
            # TimeoutError is an OSError. The driver's text may hold the host and the user; its class says enough.
            logger.warning("database unreachable", extra={"reason": type(error).__name__})
            raise DatabaseUnavailableError from error

    def give_back(self, connection: Connection) -> None:
        """Keep a connection for the next statement, if it can run one."""
        if connection.usable and not self._closed and len(self._idle) < self._size:
            self._idle.append(connection)
        elif not connection.abandoned:
            connection.close()

    def hang_up_idle(self) -> None:
        """Close what is idle: after a silence of the server nobody knows which of these it still knows.

        Otherwise each of them would cost another request a time-out, when a firewall has forgotten them all.
        """
        while self._idle:
            self._idle.pop().close()

    def close(self) -> None:
        """Hang up; connections in use follow when their statement ends."""
        self._closed = True
        self.hang_up_idle()

    def _forget(self, connection: Connection) -> None:
        if connection in self._idle:
            self._idle.remove(connection)
