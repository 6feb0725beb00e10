"""Which call runs when, and on which connection. Rank 4.

There are as many places as there may be connections. A call takes a free place or waits for one; the queue is bounded
in number and time. When a call is answered, the next one goes out on that connection before the answered request
itself gets its turn: with many clients the event loop has a lot to do in between, and the database would stand still.
"""

import asyncio
import logging
from collections import OrderedDict
from functools import partial

import psycopg2

from src.blocking import Threads
from src.calls import Call
from src.cancelling import Cancellations
from src.config import Settings
from src.connecting import connect, with_defaults
from src.errors import DatabaseUnavailableError
from src.faults import may_repeat
from src.idle import IdleConnections
from src.postgres import Connection

logger = logging.getLogger(__name__)


class Pool:
    """The connections of one process and the calls that want one."""

    def __init__(self, settings: Settings) -> None:
        self.dsn = with_defaults(settings.database_url)
        self.free = settings.db_pool_size  # places
        self._settings = settings
        self._threads = Threads(settings.db_pool_size)
        self._idle = IdleConnections()
        self._cancellations = Cancellations()
        self._waiting: OrderedDict[Call, None] = OrderedDict()
        self._opening: dict[Call, asyncio.Task[Connection]] = {}
        self._running: dict[Call, Connection] = {}

    def submit(self, call: Call) -> None:
        """Begin a call, or let it wait for its turn; `call.answer` tells the end.

        Raises:
            DatabaseUnavailableError: too many wait already.
        """
        if self.free:
            self.free -= 1
            self._begin(call)
        elif len(self._waiting) < self._settings.db_queue_size:
            self._waiting[call] = None
            call.limit(self._settings.db_queue_timeout, self.withdraw)
        else:
            raise DatabaseUnavailableError

    def withdraw(self, call: Call) -> None:
        """End a call that has no answer: it waited too long, or its request is gone."""
        call.end(error=DatabaseUnavailableError())
        if call in self._running:
            self._cancellations.begin(self._running.pop(call).abandon())
            self._pass_on()
        elif call in self._opening:
            self._opening[call].cancel()  # whose end passes the place on
        else:
            self._waiting.pop(call, None)  # else the queue would stay full of those who left

    async def close(self) -> None:
        """Hang up; connections in use follow when their call ends."""
        self._idle.close()
        await self._cancellations.finish()

    def on_answer(self, connection: Connection, call: Call, answer: object) -> None:
        """Hand out the answer, and the connection to the next."""
        del self._running[call]
        call.end(answer)
        self._pass_on(connection)

    def on_failure(self, connection: Connection, call: Call, error: Exception) -> None:
        """Repeat a call once where that is surely harmless; its limit stays the same."""
        del self._running[call]
        if not call.repeated and may_repeat(error, call.statement, broken=not connection.usable, sent=call.sent):
            call.repeated = True
            if connection.usable:
                self._start(call, connection)
                return
            connection.close()
            self._open_for(call)  # not an idle one: what broke this connection may have broken those too
        else:
            # Not from within: were the next to fail at once as well, and the next, this would be a recursion.
            asyncio.get_running_loop().call_soon(self._pass_on, connection)
            call.end(error=error)

    def on_lost(self, connection: Connection) -> None:
        """Forget an idle connection that the server has closed."""
        self._idle.forget(connection)

    def _pass_on(self, connection: Connection | None = None) -> None:
        """Give a place to who waits longest, or keep it free; with the connection that somebody left there."""
        if connection:
            self._idle.keep(connection)
        while self._waiting:
            call, _ = self._waiting.popitem(last=False)
            if not call.answer.done():
                self._begin(call)
                return
        self.free += 1

    def _begin(self, call: Call) -> None:
        """Start a call that has its place."""
        call.limit(self._settings.db_statement_timeout, self._expire)
        if connection := self._idle.take():
            self._start(call, connection)
        else:
            self._open_for(call)

    def _start(self, call: Call, connection: Connection) -> None:
        self._running[call] = connection
        connection.start(call)

    def _open_for(self, call: Call) -> None:
        task = asyncio.get_running_loop().create_task(self._open(), context=call.context)
        self._opening[call] = task
        task.add_done_callback(partial(self._on_opened, call))

    def _on_opened(self, call: Call, task: "asyncio.Task[Connection]") -> None:
        del self._opening[call]
        error = DatabaseUnavailableError() if task.cancelled() else task.exception()
        connection = None if error else task.result()
        if connection and not call.answer.done():
            self._start(call, connection)
        else:
            call.end(error=error)
            self._pass_on(connection)

    async def _open(self) -> Connection:
        try:
            async with asyncio.timeout(self._settings.db_connect_timeout):
                return Connection(await connect(self.dsn, self._threads), self)
        except (OSError, psycopg2.Error) as error:
            # TimeoutError is an OSError. The driver's text may hold the host and the user; its class says enough.
            logger.warning("database unreachable", extra={"reason": type(error).__name__})
            raise DatabaseUnavailableError from error

    def _expire(self, call: Call) -> None:
        """End a call whose answer did not come, and hang up what is idle: a firewall may have forgotten that too."""
        self._idle.hang_up()
        self.withdraw(call)
