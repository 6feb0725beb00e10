"""One statement on its way to the database, and the future of its answer. Rank 1."""

import asyncio
from collections.abc import Callable, Mapping
from contextvars import copy_context
from typing import Any

from src.statement import Statement


class Call:
    """What a request asks of the database; whoever gets a connection for it starts it there."""

    __slots__ = ("_loop", "_timer", "answer", "context", "parameters", "repeated", "sent", "statement")

    def __init__(self, statement: Statement[Any], parameters: Mapping[str, Any]) -> None:
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self.statement = statement
        self.parameters = parameters
        self.answer: asyncio.Future[Any] = self._loop.create_future()
        self.context = copy_context()  # of the request, for what is logged on its behalf
        self.sent = False  # whether the server can have seen the statement
        self.repeated = False

    def limit(self, seconds: float, then: Callable[["Call"], None]) -> None:
        """Run `then` after so long, unless there is an answer or another limit first."""
        if self._timer:
            self._timer.cancel()
        self._timer = self._loop.call_later(seconds, then, self)

    def end(self, answer: object = None, error: BaseException | None = None) -> None:
        """Give the request its answer, if it still waits for one."""
        if self._timer:
            self._timer.cancel()
        if self.answer.done():
            return
        if error:
            self.answer.set_exception(error)
        else:
            self.answer.set_result(answer)
