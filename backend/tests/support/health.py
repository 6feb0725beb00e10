"""Asks for /health all the time, from a process of its own: what the test does meanwhile delays no question."""

import multiprocessing
import socket
import time
from multiprocessing.connection import Connection

from tests.support.wire import read_head, rendered

PAUSE = 0.02  # seconds between two questions
_QUESTION = rendered("GET", "/health")
_spawn = multiprocessing.get_context("spawn")


class HealthWatch:
    """A context in which it asks; afterwards `slowest` is the longest wait in seconds."""

    slowest = 0.0

    def __init__(self, port: int) -> None:
        self._end, theirs = _spawn.Pipe()
        self._process = _spawn.Process(target=_watch, args=(port, theirs), daemon=True)

    def __enter__(self) -> "HealthWatch":
        self._process.start()
        assert self._end.recv() == "asking"
        return self

    def __exit__(self, *_: object) -> None:
        self._end.send("enough")
        self.slowest = self._end.recv()
        self._process.join()


def _watch(port: int, test: Connection) -> None:
    slowest = 0.0
    with socket.create_connection(("127.0.0.1", port), timeout=30) as server:
        test.send("asking")
        while not test.poll(PAUSE):
            started = time.monotonic()
            server.sendall(_QUESTION)
            assert read_head(server).startswith(b"http/1.1 200 ")
            slowest = max(slowest, time.monotonic() - started)
    test.send(slowest)
