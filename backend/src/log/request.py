"""What is known of the request under way: one record, found from anywhere below the middleware that makes it.

The log line of the request is made of it, and so is everything else that tells of a single request.
"""

import asyncio
import itertools
import secrets
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass

# Unique without a system call for each: random for the process, counted within it. 3 % of a small request.
_PROCESS = secrets.token_hex(8)
_count = itertools.count(secrets.randbits(32))


@dataclass(slots=True)
class RequestRecord:
    """One request. The object is shared: a task that the request starts has another context, but adds to the same."""

    id: str
    user_id: str | None = None  # proven by a token, also where the answer is 403
    reason: str | None = None  # of a refusal; logs, traces and metrics have it, answers do not
    client: str | None = None  # the address, as a trusted proxy has forwarded it
    auth_seconds: float = 0.0
    db_seconds: float = 0.0  # of all operations, their waits for a connection included
    trace_id: str | None = None
    sqlstate: str | None = None  # of the error that ended an operation


@dataclass(slots=True)
class Traffic:
    """The requests of one application: how many are under way, and how many were broken off, as at its end."""

    under_way: int = 0
    broken_off: int = 0

    async def over(self, seconds: float) -> None:
        """Wait until none is under way any more, but not longer than this."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self.under_way:  # noqa: ASYNC110  # once in a process; an event would cost each request
                    await asyncio.sleep(0.01)


current_request: ContextVar[RequestRecord | None] = ContextVar("current_request", default=None)


def this_request() -> RequestRecord:
    """Return the record of the request under way; outside of any, one that nobody reads."""
    return current_request.get() or RequestRecord("-")


def new_request_id() -> str:
    """Return 32 hexadecimal digits that no other request has."""
    return f"{_PROCESS}{next(_count):016x}"
