"""Many clients at once, in a thread of their own, and the check of what they were told."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.support.history import Client, Report, Row

ROWS = "SELECT id, title, completed FROM tasks WHERE user_id = '{}'"


class Crowd:
    def __init__(self, port: int, size: int, pause: float = 0.0) -> None:
        self.report = Report()
        self.clients = [Client(port, self.report) for _ in range(size)]
        self._pause = pause
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._failure: BaseException | None = None
        try:
            self._loop.run_until_complete(self._all())
        except Exception as error:  # noqa: BLE001  # `finish` raises it in the test's thread
            self._failure = error
        self._loop.close()

    async def _all(self) -> None:
        await asyncio.gather(*(client.run(self._stop, self._pause) for client in self.clients))

    def start(self) -> None:
        self._thread.start()

    def finish(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(30)
        assert not self._thread.is_alive(), "a request was never answered"
        if self._failure:
            raise self._failure

    def contradictions(self, execute: Callable[[str], list[Row]]) -> list[str]:
        return [wrong for client in self.clients for wrong in client.contradictions(execute(ROWS.format(client.user)))]


@contextmanager
def crowd(port: int, size: int, pause: float = 0.0) -> Iterator[Crowd]:
    """Clients that work for as long as the block runs."""
    people = Crowd(port, size, pause)
    people.start()
    try:
        yield people
    finally:
        people.finish()
