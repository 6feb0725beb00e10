"""Open connections that nobody uses, the most recently used first. Rank 3."""

from src.postgres import Connection


class IdleConnections:
    """A stack of them; a dead one is noticed without a round trip."""

    def __init__(self) -> None:
        self._stack: list[Connection] = []
        self._closed = False

    def take(self) -> Connection | None:
        """Return one that is still alive, if there is one."""
        while self._stack:
            connection = self._stack.pop()
            if not connection.stale:
                return connection
            connection.close()
        return None

    def keep(self, connection: Connection) -> None:
        """Keep a connection for the next call, if it can run one."""
        if connection.usable and not self._closed:
            self._stack.append(connection)
        else:
            connection.close()

    def forget(self, connection: Connection) -> None:
        """Let go of one that the server has closed, if it is here; a new one may be on its way to its first call."""
        if connection in self._stack:
            self._stack.remove(connection)

    def hang_up(self) -> None:
        """Close them all."""
        while self._stack:
            self._stack.pop().close()

    def close(self) -> None:
        """Close them all, and from now on every one that comes back."""
        self._closed = True
        self.hang_up()
