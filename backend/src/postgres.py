"""One PostgreSQL connection: psycopg2 in its asynchronous mode, driven by the event loop.

The loop watches the socket, so a statement costs no thread. Asynchronous psycopg2 connections are always in
autocommit: one statement is one round trip and its own transaction. Rank 2.
"""

import asyncio
import select
from typing import Any, Protocol, cast

import psycopg2
from psycopg2.extensions import POLL_OK, POLL_WRITE

from src.calls import Call

_LAST_WORDS = ("FATAL", "PANIC")  # of a server that hangs up, though the end of the stream may come later


class Owner(Protocol):
    """Who hears what becomes of a connection."""

    def on_answer(self, connection: "Connection", call: Call, answer: object) -> None:
        """Hear that a call is answered and that the connection is free."""

    def on_failure(self, connection: "Connection", call: Call, error: Exception) -> None:
        """Hear that a call failed; `connection.usable` says whether the connection survived it."""

    def on_lost(self, connection: "Connection") -> None:
        """Hear that the server closed an idle connection."""


class Connection:
    """An open connection that runs one call at a time."""

    def __init__(self, raw: Any, owner: Owner) -> None:
        self._raw = raw
        self._owner = owner
        self._loop = asyncio.get_running_loop()
        self._call: Call | None = None
        self._cursor: Any = None
        self._poller = select.poll()
        # Kept, because libpq forgets its number when the connection breaks, and the loop must not.
        self._descriptor: int = raw.fileno()
        self._poller.register(self._descriptor, select.POLLIN)
        self._loop.add_reader(self._descriptor, self._on_readable)
        self._writing = False

    @property
    def stale(self) -> bool:
        """Whether the server has hung up: nothing is owed to an idle connection, so anything to read means that.

        Costs one system call and no round trip.
        """
        return bool(self._raw.closed or self._poller.poll(0))

    @property
    def usable(self) -> bool:
        """Whether another call may follow."""
        return not (self._descriptor < 0 or self._raw.closed or self._raw.isexecuting())

    def start(self, call: Call) -> None:
        """Send a call's statement. Raises nothing: whoever starts a call is seldom the request that made it."""
        self._call, call.sent = call, False
        try:
            # A new one each time: a cursor keeps its last result, and a list of 100 000 tasks is 18 MB.
            self._cursor = self._raw.cursor()
            self._cursor.execute(call.statement.sql, call.parameters)
        except Exception as error:  # noqa: BLE001  # the request that made it hears of it
            self._fail(error)
        else:
            call.sent = True
            self._advance()

    def abandon(self) -> Any:
        """Let go of psycopg2's connection, in the middle of its statement, and return it for somebody to cancel that.

        A backend that waits for a lock does not notice that its client is gone.
        """
        self._call = self._cursor = None
        self._unwatch()
        return self._raw

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
        if self._call is None:
            self.close()
            self._owner.on_lost(self)
        else:
            self._advance()

    def _advance(self) -> None:
        """Let libpq read and write what it can; tell the owner when the statement has ended."""
        try:
            state = self._raw.poll()
            answer = self._answer() if state == POLL_OK else None
        except Exception as error:  # noqa: BLE001  # this runs between requests, and one of them waits
            self._watch_writing(False)
            if self._raw.closed or _is_last_word(error):
                self.close()
            self._fail(error)
        else:
            self._watch_writing(state == POLL_WRITE)
            if state == POLL_OK:
                self._owner.on_answer(self, self._finished(), answer)

    def _watch_writing(self, writing: bool) -> None:
        if writing and not self._writing:
            self._loop.add_writer(self._descriptor, self._advance)
        elif self._writing and not writing:
            self._loop.remove_writer(self._descriptor)
        self._writing = writing

    def _answer(self) -> Any:
        return cast("Call", self._call).statement.read(self._cursor)

    def _fail(self, error: Exception) -> None:
        self._owner.on_failure(self, self._finished(), error)

    def _finished(self) -> Call:
        call, self._call, self._cursor = self._call, None, None
        return cast("Call", call)


def _is_last_word(error: Exception) -> bool:
    return isinstance(error, psycopg2.Error) and error.diag.severity_nonlocalized in _LAST_WORDS
