"""What the process holds on to: garbage is collected rarely, and a long list's memory is given back."""

import asyncio
import gc
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_LARGE = 1 << 20  # bytes
_SECONDS = 1.0  # until the answer has left, as a rule


@contextmanager
def starting() -> Iterator[None]:
    """Look for no garbage while the block imports and builds what stays; afterwards rarely, and not among that."""
    # Of 110 000 objects some 50 are garbage then, and to look for it takes a quarter of the start.
    gc.disable()
    yield
    # What exists now lives as long as the process. Out of the collector's sight, a full collection takes a few
    # milliseconds, not some fifty, and no request waits for one.
    gc.freeze()
    # By default each 700 new objects start a collection, whose work grows with the requests under way, which it cannot
    # free. This rarely: a quarter more answers at 240 clients, a tenth at 100, the same memory.
    gc.set_threshold(10_000)
    gc.enable()


class GiveBack:
    """Returns to the system, a little later, what was freed of a large body and of the rows that it was made of.

    Left alone, free pages between used ones stay with the process: 31 MiB after one list of 100 000 tasks.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application."""

        async def watched(message: Message) -> None:
            await send(message)
            if len(message.get("body", b"")) > _LARGE:
                asyncio.get_running_loop().call_later(_SECONDS, _trim)

        await self.app(scope, receive, watched)


def _trim() -> None:
    import psutil  # noqa: PLC0415  # most processes never send a long list

    psutil.heap_trim()
