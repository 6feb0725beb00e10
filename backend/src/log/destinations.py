"""What lines are written to: standard error, and a file that may be rotated."""

import os
import select
from pathlib import Path

_STDERR = 2


class StandardError:
    """The terminal, or whoever has started the service."""

    @property
    def terminal(self) -> bool:
        """Whether people read it."""
        return os.isatty(_STDERR)

    def write(self, data: bytes) -> None:
        """Write all of it, however long a reader takes.

        Raises:
            OSError: nobody is there any more.
        """
        _write(_STDERR, data)

    def close(self) -> None:
        """Leave it open: others may have something to say."""


class LogFile:
    """A file that may be moved away, by logrotate for one; then there is a new one of its name."""

    terminal = False

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = self._open()

    def _open(self) -> int:
        return os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)

    def write(self, data: bytes) -> None:
        """Write all of it at the end of the file, as the other workers do.

        Raises:
            OSError: the disk is full, the folder is gone.
        """
        if self._moved():
            new = self._open()
            os.close(self._descriptor)
            self._descriptor = new
        _write(self._descriptor, data)

    def _moved(self) -> bool:
        try:
            return not os.path.samestat(os.stat(self._path), os.fstat(self._descriptor))
        except FileNotFoundError:
            return True

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


def _write(descriptor: int, data: bytes) -> None:
    while data:
        try:
            data = data[os.write(descriptor, data) :]
        except BlockingIOError:  # A pipe or a terminal is shared, and another program may have made it so.
            select.select((), (descriptor,), ())
