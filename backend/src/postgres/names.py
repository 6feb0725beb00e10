"""Names of hosts, looked up in threads that nobody waits for.

A resolver that does not answer keeps who asks it for ten seconds and more, and cannot be told to give up. The event
loop's own lookups are not left behind either: uvloop waits for all of them when it closes, asyncio for its threads.
"""

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from threading import Thread

Addresses = list[str]


class Names:
    """Looks up each name once at a time, however many ask for it."""

    def __init__(self) -> None:
        self._under_way: dict[str, asyncio.Future[Addresses]] = {}

    async def addresses(self, name: str) -> Addresses:
        """Return the addresses of a host, in the resolver's order; takes as long as that does, unless it is cancelled.

        Raises:
            OSError: there is none, or nobody knows.
        """
        future = self._under_way.get(name)
        if future is None:
            loop = asyncio.get_running_loop()
            future = loop.create_future()
            try:
                Thread(target=_look_up, args=(name, loop, future), name="names", daemon=True).start()
            except RuntimeError as error:  # The system has no thread left.
                raise OSError(str(error)) from error
            self._under_way[name] = future
            future.add_done_callback(lambda done: self._forget(name, done))
        return await asyncio.shield(future)

    def _forget(self, name: str, future: "asyncio.Future[Addresses]") -> None:
        del self._under_way[name]
        future.exception()  # Where nobody waits any more, asyncio would complain that nobody has asked for it.


def _look_up(name: str, loop: asyncio.AbstractEventLoop, future: "asyncio.Future[Addresses]") -> None:
    tell: Callable[[], object]
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except Exception as error:  # noqa: BLE001  # what is not told is waited for without end
        tell = partial(future.set_exception, error if isinstance(error, OSError) else OSError(type(error).__name__))
    else:
        tell = partial(future.set_result, list(dict.fromkeys(str(place[4][0]) for place in found)))
    with suppress(RuntimeError):  # The loop is closed.
        loop.call_soon_threadsafe(tell)
