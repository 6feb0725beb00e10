"""The handler of all loggers: it leaves lines in a queue, and a thread writes them.

A write waits for whoever reads a pipe, and a reader may be slow, stopped or gone. The event loop waits for none of
them. It is cheaper, too: what has gathered in a tenth of a second is written together.
"""

import logging
import select
from collections.abc import Iterator
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Event, Thread

from src.log.destinations import LogFile, StandardError

ROOM = 2 * 1024 * 1024  # bytes that may wait to be written: some 6000 requests
GATHER_SECONDS = 0.1  # from a line to its write
FLUSH_SECONDS = 0.25  # at the end of the process, which nobody may hold up by not reading

logger = logging.getLogger(__name__)


class Output(logging.Handler):
    """Writes to one destination. What finds no room is lost, counted, and the count is told."""

    def __init__(self, destination: StandardError | LogFile) -> None:
        super().__init__()
        self._destination = destination
        self._queue: SimpleQueue[bytes | Event | None] = SimpleQueue()
        self._hurry = Event()
        self._finishing = False
        # Each is counted up by one thread alone, so neither waits for the other: the first two by who logs (the
        # standard library holds the handler's lock), the others by who writes.
        self._taken = self._refused = 0
        self._done = self._failed = self._told = 0
        Thread(target=self._work, name="log", daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        """Queue a line, if there is room."""
        try:
            line = _encoded(self.format(record))
        except Exception:  # noqa: BLE001  # a line that cannot be made must not end what it tells of
            self.handleError(record)
            return
        if self._taken - self._done + len(line) > ROOM:
            self._refused += 1
        else:
            self._taken += len(line)
            self._queue.put(line)
            if self._finishing:
                self.flush()

    def flush(self) -> None:
        """Have what is queued written now; wait for it, but not longer than FLUSH_SECONDS."""
        written = Event()
        self._queue.put(written)
        self._hurry.set()
        if not written.wait(FLUSH_SECONDS):
            self._finishing = False

    def finish(self) -> None:
        """Flush now, and with every later line, as long as somebody reads them.

        uvicorn ends a process by the signal that it got, right behind its last line; nothing that Python would do at an
        exit is done then.
        """
        self._finishing = True
        self.flush()

    def close(self) -> None:
        """End the thread as soon as what is queued is written; does not wait for it."""
        self._queue.put(None)
        self._hurry.set()
        super().close()

    def _work(self) -> None:
        going = True
        while going:
            items = self._gathered()
            self._write([item for item in items if isinstance(item, bytes)])
            for item in items:
                if isinstance(item, Event):
                    item.set()
            going = None not in items
        self._destination.close()

    def _gathered(self) -> list[bytes | Event | None]:
        """Wait for a line, then a little for others."""
        items = [self._queue.get()]
        self._hurry.wait(GATHER_SECONDS)
        self._hurry.clear()  # before the queue is read: who sets it has put something into that
        with suppress(Empty):
            while True:
                items.append(self._queue.get_nowait())
        return items

    def _write(self, lines: list[bytes]) -> None:
        for piece in _pieces(lines):
            if not self._written(b"".join(piece)):
                self._failed += len(piece)
            self._done += sum(map(len, piece))
        lost = self._refused + self._failed
        if lost > self._told and self._written(self._losses(lost - self._told)):
            self._told = lost

    def _written(self, data: bytes) -> bool:
        try:
            self._destination.write(data)
        except OSError:
            return False  # and counted; there is nowhere to say it until a write succeeds
        return True

    def _losses(self, count: int) -> bytes:
        record = logger.makeRecord(
            logger.name, logging.WARNING, "", 0, "log lines lost", (), None, None, {"count": count}
        )
        return _encoded(self.format(record))


def _encoded(line: str) -> bytes:
    return (line + "\n").encode("utf-8", "backslashreplace")


def _pieces(lines: list[bytes]) -> Iterator[list[bytes]]:
    """Divide lines into what a pipe takes in one step, so that lines of several workers are not mixed."""
    piece: list[bytes] = []
    size = 0
    for line in lines:
        if piece and size + len(line) > select.PIPE_BUF:
            yield piece
            piece, size = [], 0
        piece.append(line)
        size += len(line)
    if piece:
        yield piece
