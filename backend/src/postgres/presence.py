"""Whether the database is there, said once whenever that changes: a failure for each request makes no flood of lines.

Requests say for themselves how they ended; these lines say from when to when, and why.
"""

import asyncio
import logging
import time
from enum import Enum, auto

import psycopg2
from psycopg2 import errorcodes
from sqlalchemy import ExceptionContext

from src.postgres.faults import opened_at, sqlstate
from src.postgres.limit import Limit

logger = logging.getLogger(__name__)

_DOUBT_SECONDS = 5.0  # while some connections are served and others refused, as at the limit of their number


class _State(Enum):
    NEVER = auto()  # since the start
    HERE = auto()
    LOST = auto()  # a connection has ended; the next one may succeed at once
    UNREACHABLE = auto()  # that one was refused or never answered


class Presence:
    """The database, as one process sees it."""

    def __init__(self) -> None:
        self._state = _State.NEVER
        self._since = 0.0  # it was there, and is not; 0 where it never was
        self._back = 0.0  # in the event loop's time, as connections have it

    def answered(self) -> None:
        """Note that an operation has succeeded; with every one of them."""
        if self._state is _State.HERE:
            return
        if self._state is _State.LOST or time.monotonic() - self._since > _DOUBT_SECONDS:
            self.opened()

    def opened(self) -> None:
        """Note that a connection was opened."""
        if self._state is _State.HERE:
            return
        if self._since:
            logger.info("database recovered", extra={"seconds": round(time.monotonic() - self._since, 3)})
        else:
            logger.info("database connected")
        self._state, self._since, self._back = _State.HERE, 0.0, asyncio.get_running_loop().time()

    def unreachable(self, error: Exception) -> None:
        """Note that no connection could be opened. The driver's text may hold host and user; the class says enough."""
        if self._state is not _State.UNREACHABLE:
            logger.warning("database unreachable", extra={"reason": type(error).__name__, "sqlstate": sqlstate(error)})
        self._leave(_State.UNREACHABLE)

    def stale(self, opened: float) -> None:
        """Note that the server has ended a connection that was idle, as one does that goes to sleep.

        One that was opened before the database came back is a remnant of that loss, not another one.
        """
        if opened >= self._back:
            self._lose(logging.INFO, "closed while idle", None)

    def note_end(self, context: ExceptionContext) -> None:
        """Note the end of a connection by an error; to be called after `mark_disconnects`, which decides that it is.

        Not where writes are refused: that is said by who writes, and the database is there.
        """
        error = context.original_exception
        if sqlstate(error) == errorcodes.READ_ONLY_SQL_TRANSACTION:
            return
        if context.is_disconnect and not self._known(context) and not _broken_off(error):
            answered = isinstance(error, psycopg2.Error)
            self._lose(logging.WARNING, type(error).__name__ if answered else "no answer in time", sqlstate(error))

    def _known(self, context: ExceptionContext) -> bool:
        """Whether the connection is older than the last recovery: one of many that a loss has ended."""
        connection = context.connection
        if connection is None:
            return False
        return connection.invalidated or opened_at(connection) < self._back

    def _lose(self, level: int, reason: str, code: str | None) -> None:
        if self._state is _State.HERE:
            logger.log(level, "database lost", extra={"reason": reason, "sqlstate": code})
            self._leave(_State.LOST)

    def _leave(self, state: _State) -> None:
        if self._state is _State.HERE:
            self._since = time.monotonic()
        self._state = state


def _broken_off(error: BaseException) -> bool:
    """Whether this process has given up the statement before its time was over, as at its end."""
    limit = Limit.current()
    return isinstance(error, asyncio.CancelledError) and not (limit and limit.expired)
