"""A TCP proxy that puts a network between a service and its database, and counts the round trips over it."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

ONE_WAY = 0.010  # seconds


class RoundTrips:
    """Counts how often a client spoke and then had to wait; what it sends in one go is one trip."""

    def __init__(self) -> None:
        self.count = 0

    def connection(self) -> "Conversation":
        """Return the counter of one connection."""
        return Conversation(self)


class Conversation:
    """Who spoke last on one connection."""

    def __init__(self, total: RoundTrips) -> None:
        self._total = total
        self._client_spoke_last = False

    def from_client(self) -> None:
        """Note some bytes to the server: a new trip if the server has spoken since the last one."""
        self._total.count += not self._client_spoke_last
        self._client_spoke_last = True

    def from_server(self) -> None:
        """Note some bytes to the client."""
        self._client_spoke_last = False


class Pipe(asyncio.Protocol):
    """One side of a connection; what arrives leaves on the other side after the delay, in order."""

    def __init__(self, network: "Network", note: Callable[[], None]) -> None:
        self.other: asyncio.Transport | None = None  # where the data goes
        self._network = network
        self._note = note
        self._waiting: deque[bytes] = deque()

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        self._network.transports.add(transport)

    def data_received(self, data: bytes) -> None:
        self._note()
        self._later(data)

    def connection_lost(self, error: Exception | None) -> None:
        self._network.transports.discard(self.transport)
        self._later(b"")

    def _later(self, data: bytes) -> None:
        # Timers of the same instant may fire in any order, so each takes the oldest piece, not its own.
        self._waiting.append(data)
        asyncio.get_running_loop().call_later(self._network.delay, self._forward)

    def _forward(self) -> None:
        if self.other is None:  # it is being opened
            asyncio.get_running_loop().call_later(0.001, self._forward)
            return
        data = self._waiting.popleft()
        if not data:
            self.other.close()
        elif not self.other.is_closing():
            self.other.write(data)


class Entrance(Pipe):
    """The client's side; it opens the server's side when a client comes."""

    def __init__(self, network: "Network") -> None:
        self._conversation = network.trips.connection()
        super().__init__(network, self._conversation.from_client)

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        self._opening = asyncio.ensure_future(self._open())  # kept: the loop itself holds tasks only weakly

    async def _open(self) -> None:
        way_out = Pipe(self._network, self._conversation.from_server)
        loop = asyncio.get_running_loop()
        self.other, _ = await loop.create_connection(lambda: way_out, *self._network.target)
        way_out.other = self.transport


@dataclass
class Network:
    """What lies between the two sides."""

    target: tuple[str, int]
    delay: float
    trips: RoundTrips = field(default_factory=RoundTrips)
    transports: set[asyncio.Transport] = field(default_factory=set)


@asynccontextmanager
async def proxy(
    target: tuple[str, int], port: int = 0, delay: float = ONE_WAY
) -> AsyncIterator[tuple[RoundTrips, int]]:
    """Listen as long as the block runs; gives the counter, and the port."""
    network = Network(target, delay)
    listener = await asyncio.get_running_loop().create_server(lambda: Entrance(network), "127.0.0.1", port)
    try:
        yield network.trips, listener.sockets[0].getsockname()[1]
    finally:
        listener.close()
        for transport in network.transports:
            transport.abort()
        await asyncio.sleep(0)  # an aborted transport closes its socket in the loop's next turn
