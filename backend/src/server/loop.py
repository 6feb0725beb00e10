"""The event loop of the production server: uvloop's, but for its lookups of names, which nobody waits for.

uvloop cannot stop a lookup that it has begun, and waits for it when it closes: a resolver that does not answer would
keep a process that is told to end for ten seconds and more. Who asks here is httpx, for the keys of the auth server;
the database's names are looked up beside any loop (`postgres/names.py`).
"""

import asyncio
import socket
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from threading import Thread
from typing import Any

import uvloop


class Loop(uvloop.Loop):
    """For `uvicorn.Config`, which takes what makes a loop."""

    async def getaddrinfo(self, host: Any, port: Any, **how: Any) -> list[Any]:
        """Look a name up as `socket.getaddrinfo` does, in a thread that ends with the process at the latest.

        Raises:
            OSError: there is none, nobody knows, or the system has no thread left.
        """
        found: Future[list[Any]] = Future()
        found.set_running_or_notify_cancel()  # so that one who asks no more leaves it alone
        ask = partial(socket.getaddrinfo, host, port, **how)
        try:
            Thread(target=_answer, args=(found, ask), name="names", daemon=True).start()
        except RuntimeError as error:
            raise OSError(str(error)) from error
        return await asyncio.wrap_future(found, loop=self)


def _answer(found: "Future[list[Any]]", ask: Callable[[], list[Any]]) -> None:
    try:
        found.set_result(ask())
    except Exception as error:  # noqa: BLE001  # whatever it is, who has asked waits for it
        found.set_exception(error)
