"""Asks PostgreSQL to stop a statement whose answer nobody awaits any more. Rank 1.

The request is a connection of its own. psycopg2's `cancel` would wait for it, and hold Python's lock meanwhile: on a
dead network the whole process would stand still. libpq itself can do it in steps since version 17, and encrypted where
the connection is; psycopg2 does not offer that, so ctypes calls it.
"""

import asyncio
import ctypes
import logging
from contextlib import suppress
from typing import Any

from psycopg2 import _psycopg
from psycopg2.extensions import POLL_OK, POLL_READ, POLL_WRITE

from src.stepwise import completed, ready

logger = logging.getLogger(__name__)

# The symbols of the very libpq that psycopg2 is linked with.
_libpq = ctypes.CDLL(_psycopg.__file__)
_libpq.PQcancelCreate.argtypes = [ctypes.c_void_p]
_libpq.PQcancelCreate.restype = ctypes.c_void_p
for _function in (_libpq.PQcancelStart, _libpq.PQcancelPoll, _libpq.PQcancelSocket, _libpq.PQcancelFinish):
    _function.argtypes = [ctypes.c_void_p]

_STATES = {1: POLL_READ, 2: POLL_WRITE, 3: POLL_OK}  # libpq's PostgresPollingStatusType as psycopg2's constants
_SECONDS = 5.0  # for one statement; after that its server is out of reach, or beyond cancelling
_ANSWER_SECONDS = 0.5  # until the request is made again
_LEAVE_SECONDS = 1.0  # after the eight for requests under way, and platforms send SIGKILL after ten


class Cancellations:
    """What one process is giving up at the moment."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, raw: Any) -> None:
        """Cancel what a psycopg2 connection still does, then close it; returns at once. The connection is ours now."""
        task = asyncio.get_running_loop().create_task(_cancel_and_close(raw))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def finish(self) -> None:
        """Wait, but not for long, until everything is given up."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_LEAVE_SECONDS)


async def _cancel_and_close(raw: Any) -> None:
    # In this order, because a pooler knows no longer whom to cancel for when its client has hung up.
    try:
        async with asyncio.timeout(_SECONDS):
            await _cancel(raw)
    except TimeoutError:
        logger.warning("statement not cancelled")
    finally:
        raw.close()


async def _cancel(raw: Any) -> None:
    """Return when the server has anything to say, be it the statement's own answer."""
    while not raw.closed:
        with suppress(ConnectionError), _Request(raw) as request:
            await completed(request)
        # Again while nothing happens: a request that overtakes its statement finds the server idle, and is lost.
        with suppress(TimeoutError):
            async with asyncio.timeout(_ANSWER_SECONDS):
                await ready(raw.fileno())
                return


class _Request:
    """One request to cancel; its connection is closed at the end of the `with` block."""

    def __init__(self, raw: Any) -> None:
        self._started = False
        self._connection = _libpq.PQcancelCreate(raw.pgconn_ptr)

    def __enter__(self) -> "_Request":
        return self

    def __exit__(self, *_: object) -> None:
        _libpq.PQcancelFinish(self._connection)

    def poll(self) -> int:
        """Take the next step.

        Raises:
            ConnectionError: the server did not take the request.
        """
        if not self._started:
            self._started = bool(_libpq.PQcancelStart(self._connection))
            state = POLL_WRITE if self._started else None
        else:
            state = _STATES.get(_libpq.PQcancelPoll(self._connection))
        if state is None:
            raise ConnectionError
        return state

    def fileno(self) -> int:
        return int(_libpq.PQcancelSocket(self._connection))
