"""Places for those who use something scarce, and a bounded queue in front of them. Rank 0: imports nothing of ours.

`asyncio.Semaphore` under `asyncio.timeout` does the same; with 100 clients nearly every request waits here, and
this way of waiting costs a third of that.
"""

import asyncio
from collections import deque


class OverloadedError(Exception):
    """The queue is full, or no place became free in time."""


class Limiter:
    """First come, first served; for one event loop."""

    def __init__(self, places: int, *, queue: int, seconds: float) -> None:
        self._free = places
        self._queue = queue
        self._seconds = seconds
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def free(self) -> int:
        """How many places nobody has."""
        return self._free

    async def acquire(self) -> None:
        """Take a place; give it back with `release`.

        Raises:
            OverloadedError: the queue was full, or the wait too long.
        """
        if self._free:
            self._free -= 1
        else:
            await self._wait()

    def release(self) -> None:
        """Hand the place to who waits longest, or keep it free."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1

    async def _wait(self) -> None:
        if len(self._waiting) >= self._queue:
            raise OverloadedError
        loop = asyncio.get_running_loop()
        turn = loop.create_future()
        self._waiting.append(turn)
        timer = loop.call_later(self._seconds, _give_up, turn)
        try:
            await turn
        except BaseException:
            self._leave(turn)
            raise
        finally:
            timer.cancel()

    def _leave(self, turn: "asyncio.Future[None]") -> None:
        if turn.done() and not turn.cancelled() and turn.exception() is None:
            self.release()  # The place came in the same moment.
        elif turn in self._waiting:
            self._waiting.remove(turn)  # Else the queue would stay full of those who left.


def _give_up(turn: "asyncio.Future[None]") -> None:
    if not turn.done():
        turn.set_exception(OverloadedError())
