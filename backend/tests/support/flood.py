"""A closed loop of many clients in one thread: each sends its next request when it has the answer to the last.

It does as little as it can for an answer, because it shares the machine with the server that it measures.
"""

import selectors
import socket
import time
from collections import Counter, deque
from dataclasses import dataclass, field

from tests.support.wire import read_head

REFUSED_SECONDS = 1.0  # what the service's Retry-After says, and what these clients do


@dataclass
class Seen:
    """What the clients were told, and how long they waited for it."""

    seconds: float
    statuses: Counter[int] = field(default_factory=Counter)
    waits: list[float] = field(default_factory=list)
    refusals: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        return self.statuses[200] / self.seconds


class _Client:
    def __init__(self, port: int, request: bytes) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self._request = request
        self.sent = 0.0

    def send(self) -> None:
        self.sent = time.monotonic()
        self.socket.sendall(self._request)

    def read(self, seen: Seen) -> bool:
        """Take an answer down; returns whether it was a refusal."""
        head = read_head(self.socket)
        wait = time.monotonic() - self.sent
        seen.statuses[int(head[9:12])] += 1
        seen.waits.append(wait)
        refused = head.startswith(b"http/1.1 503 ")
        if refused:
            assert b"\r\nretry-after: 1\r\n" in head + b"\r\n"
            seen.refusals.append(wait)
        return refused


def flood(port: int, request: bytes, *, clients: int, seconds: float) -> Seen:
    """Send this request from so many connections for so long."""
    with selectors.DefaultSelector() as selector:
        crowd = [_Client(port, request) for _ in range(clients)]
        for client in crowd:
            selector.register(client.socket, selectors.EVENT_READ, client)
            client.send()
        seen = _served(selector, seconds)
        for client in crowd:
            client.socket.close()
    return seen


def _served(selector: selectors.BaseSelector, seconds: float) -> Seen:
    seen = Seen(seconds)
    refused: deque[_Client] = deque()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for key, _ in selector.select(0.05):
            if key.data.read(seen):
                refused.append(key.data)
            else:
                key.data.send()
        while refused and refused[0].sent + REFUSED_SECONDS < time.monotonic():
            refused.popleft().send()
    return seen
