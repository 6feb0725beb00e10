"""Waits, in the event loop, for what libpq does in steps. Rank 0: imports nothing of ours."""

import asyncio
from typing import Protocol

from psycopg2.extensions import POLL_OK, POLL_WRITE


class Steps(Protocol):
    """Something of libpq's that never blocks, such as the opening of a connection."""

    def poll(self) -> int:
        """Take a step; return `POLL_OK`, or what the next one waits for."""

    def fileno(self) -> int:
        """Return the socket's number, which may be another one after each step."""


async def completed(steps: Steps) -> None:
    """Return when all steps are taken. Raises what `poll` raises."""
    while (state := steps.poll()) != POLL_OK:
        await ready(steps.fileno(), writing=state == POLL_WRITE)


async def ready(descriptor: int, *, writing: bool = False) -> None:
    """Return when a socket, which nobody else watches, can be read or written."""
    loop = asyncio.get_running_loop()
    event = asyncio.Event()
    (loop.add_writer if writing else loop.add_reader)(descriptor, event.set)
    try:
        await event.wait()
    finally:
        (loop.remove_writer if writing else loop.remove_reader)(descriptor)
