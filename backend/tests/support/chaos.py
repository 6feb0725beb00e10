"""A TCP proxy that can lose, delay or cut what goes through it, like a network that misbehaves."""

import asyncio
import threading
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

CHUNK = 65536


class Proxy:
    """Forwards to a port; `swallow`, `delay` and `cut` change what happens to bytes from then on."""

    def __init__(self, target: int) -> None:
        self.target = target  # of the connections to come
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.swallowing = False  # bytes vanish, in both directions, and nobody is told
        self.refusing = False
        self.swallowing_from: bytes | None = None  # what a client says, of which nothing and no answer arrives
        self.delay = 0.0  # seconds, for each piece of bytes on its way to the server
        self.accepted = 0
        self._forgotten: set[asyncio.StreamWriter] = set()

    def start(self) -> None:
        self._thread.start()
        self._server = self._call(asyncio.start_server(self._accept, "127.0.0.1", 0))
        self.port: int = self._server.sockets[0].getsockname()[1]

    def stop(self) -> None:
        self._call(self._shut_down())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    def cut(self) -> None:
        """Reset every connection."""
        self._loop.call_soon_threadsafe(self._abort_all)

    def swallow_existing(self) -> None:
        """Lose what goes through the connections of now; later ones are not affected."""
        self._forgotten |= self._writers

    def _call(self, work: Awaitable[Any]) -> Any:
        async def run() -> Any:
            return await work

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(10)

    async def _shut_down(self) -> None:
        self._server.close()
        self._abort_all()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _abort_all(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        if self.refusing:
            writer.transport.abort()
            return
        with suppress(OSError):
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
            self._writers |= {writer, far_writer}
            pairs = ((reader, far_writer, True), (far_reader, writer, False))
            pumps = [asyncio.create_task(self._pump(*pair)) for pair in pairs]
            self._tasks.update(pumps)
            await asyncio.gather(*pumps, return_exceptions=True)
            self._tasks.difference_update(pumps)
            self._writers -= {writer, far_writer}

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, to_server: bool) -> None:
        with suppress(OSError):
            while data := await reader.read(CHUNK):
                if to_server and self.swallowing_from and self.swallowing_from in data:
                    self._forgotten.add(writer)
                if to_server and self.delay:
                    await asyncio.sleep(self.delay)
                if not (self.swallowing or writer in self._forgotten):
                    writer.write(data)
                    await writer.drain()
        # A black hole does not pass on that somebody hung up, either.
        if not self.swallowing:
            writer.close()


@contextmanager
def proxy_to(port: int) -> Iterator[Proxy]:
    proxy = Proxy(port)
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.stop()
