"""The time of one operation: a deadline in the event loop, and what is left of it for the server.

The limit of the operation under way is in a context variable: SQLAlchemy calls the engine's events and the dialect,
which need it, with arguments of its own.
"""

import asyncio
from contextvars import ContextVar
from types import TracebackType

_GRACE_SECONDS = 0.25  # for the server's own word that the time is over, which leaves the connection usable

_current: ContextVar["Limit | None"] = ContextVar("limit", default=None)


class Limit:
    """Ends a block with TimeoutError, a moment after its deadline."""

    def __init__(self, seconds: float) -> None:
        self._deadline = asyncio.get_running_loop().time() + seconds
        self._timeout = asyncio.timeout_at(self._deadline + _GRACE_SECONDS)

    @staticmethod
    def current() -> "Limit | None":
        """Return the limit of the block that runs now; None where there is none, as for a migration."""
        return _current.get()

    async def __aenter__(self) -> "Limit":
        """Enter the block."""
        await self._timeout.__aenter__()
        self._outer = _current.set(self)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the block.

        Raises:
            TimeoutError: the deadline has ended it.
        """
        _current.reset(self._outer)
        await self._timeout.__aexit__(kind, error, trace)

    @property
    def expired(self) -> bool:
        """Whether the deadline has ended the block; if not, whoever cancels it has another reason."""
        return self._timeout.expired()

    @property
    def _left(self) -> float:
        return self._deadline - asyncio.get_running_loop().time()

    @property
    def over(self) -> bool:
        """Whether the server's time is over: what is begun now would be broken off by the loop, with its connection."""
        return self._left <= 0

    @property
    def milliseconds(self) -> int:
        """What is left until the deadline, as PostgreSQL's `statement_timeout` has it; 0 would mean no limit there."""
        return max(1, int(self._left * 1000))
