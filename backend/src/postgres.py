"""One PostgreSQL connection: psycopg2 in its asynchronous mode, driven by the event loop.

The loop watches the socket, so a statement costs no thread. Asynchronous psycopg2 connections are always in
autocommit: one statement is one round trip and its own transaction. Rank 1.
"""

import asyncio
import select
from collections.abc import Callable, Mapping
from typing import Any, cast

import psycopg2
from psycopg2.extensions import POLL_OK, POLL_WRITE

from src.cancelling import cancel_and_close

Row = tuple[Any, ...]

_LAST_WORDS = ("FATAL", "PANIC")  # of a server that hangs up, though the end of the stream may come later


class Connection:
    """An open connection that runs one statement at a time."""

    def __init__(self, raw: Any, on_lost: Callable[["Connection"], None]) -> None:
        self._raw = raw
        self._on_lost = on_lost
        self._loop = asyncio.get_running_loop()
        self._waiter: asyncio.Future[None] | None = None
        self._poller = select.poll()
        # Kept, because libpq forgets its number when the connection breaks, and the loop must not.
        self._descriptor: int = raw.fileno()
        self._poller.register(self._descriptor, select.POLLIN)
        self._loop.add_reader(self._descriptor, self._on_readable)
        self._writing = False
        self.sent = False
        self.abandoned = False

    @property
    def stale(self) -> bool:
        """Whether the server has hung up: nothing is owed to an idle connection, so anything to read means that.

        Costs one system call and no round trip.
        """
        return bool(self._raw.closed or self._poller.poll(0))

    @property
    def usable(self) -> bool:
        """Whether another statement may follow."""
        return not (self.abandoned or self._raw.closed or self._raw.isexecuting())

    async def run(self, sql: str, parameters: Mapping[str, Any], deadline: float) -> Row | None:
        """Run one statement and return its first row.

        `sent` tells afterwards whether the server can have seen the statement.

        Raises:
            TimeoutError: no answer by the deadline (of the loop's clock); the connection must be abandoned.
            psycopg2.Error: the server refused the statement, or the connection broke.
        """
        # A new one each time: a cursor keeps its last result, and a list of 100 000 tasks is 18 MB.
        cursor = self._raw.cursor()
        self.sent = False
        self._waiter = waiter = self._loop.create_future()
        timer = self._loop.call_at(deadline, self._settle, TimeoutError())
        try:
            cursor.execute(sql, parameters)
            self.sent = True
            self._advance()
            await waiter
        finally:
            self._waiter = None
            timer.cancel()
        return cast("Row | None", cursor.fetchone())

    def abandon(self) -> None:
        """Close, and ask the server to stop what it is still doing for us.

        A backend that waits for a lock does not notice that its client is gone.
        """
        self.abandoned = True
        self._unwatch()
        cancel_and_close(self._raw)

    def close(self) -> None:
        """Hang up; harmless when already closed."""
        self._unwatch()
        self._raw.close()

    def _unwatch(self) -> None:
        # Before anybody can be given the same descriptor anew; removing it twice would hit that one.
        if self._descriptor >= 0:
            self._loop.remove_reader(self._descriptor)
            self._loop.remove_writer(self._descriptor)
            self._descriptor = -1

    def _on_readable(self) -> None:
        if self._waiter is None:
            self.close()
            self._on_lost(self)
        else:
            self._advance()

    def _advance(self) -> None:
        """Let libpq read and write what it can; wake the waiter when the statement has ended."""
        try:
            state = self._raw.poll()
        except psycopg2.Error as error:
            self._watch_writing(False)
            if self._raw.closed or error.diag.severity_nonlocalized in _LAST_WORDS:
                self.close()
            self._settle(error)
        else:
            self._watch_writing(state == POLL_WRITE)
            if state == POLL_OK:
                self._settle(None)

    def _watch_writing(self, writing: bool) -> None:
        if writing and not self._writing:
            self._loop.add_writer(self._descriptor, self._advance)
        elif self._writing and not writing:
            self._loop.remove_writer(self._descriptor)
        self._writing = writing

    def _settle(self, error: Exception | None) -> None:
        if self._waiter is None or self._waiter.done():
            return
        if error:
            self._waiter.set_exception(error)
        else:
            self._waiter.set_result(None)
