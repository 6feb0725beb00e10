"""Blocking calls in threads that nobody has to wait for. Rank 0: imports nothing of ours.

Threads of an executor are joined when the process ends, so one that hangs (DNS, a dead network) would keep a
process alive that was told to stop. These are not, and there are never more of them than places.
"""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")


class Threads:
    """Runs functions in at most `size` daemon threads at a time."""

    def __init__(self, size: int) -> None:
        self._places = asyncio.Semaphore(size)

    async def run(self, function: Callable[..., T], *arguments: Any) -> T:
        """Return what the function returns. Cancelling this abandons the thread, which keeps its place to its end."""
        await self._places.acquire()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def call() -> None:
            settle = _outcome(future, function, arguments)
            with suppress(RuntimeError):  # The loop has ended; nobody is left to be told.
                loop.call_soon_threadsafe(self._finish, settle)

        threading.Thread(target=call, daemon=True).start()
        return await future

    def _finish(self, settle: Callable[[], None]) -> None:
        self._places.release()
        settle()


def _outcome(future: asyncio.Future[T], function: Callable[..., T], arguments: tuple[Any, ...]) -> Callable[[], None]:
    """Call the function; the result tells the future how that ended, if it still wants to know."""
    try:
        value = function(*arguments)
    except Exception as error:  # noqa: BLE001  # whatever it is belongs to the caller
        failure = error
        return lambda: None if future.done() else future.set_exception(failure)
    return lambda: None if future.done() else future.set_result(value)
