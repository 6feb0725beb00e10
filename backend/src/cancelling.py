"""Asks PostgreSQL to stop a statement whose answer nobody awaits any more. Rank 0: imports nothing of ours.

The request is a connection of its own and blocks until the server has it, so a thread makes it and nobody waits for
that thread. psycopg2's own `cancel` would not do: it holds Python's lock, and on a dead network the whole process
would stand still with it. Calls through ctypes let go of the lock.
"""

import ctypes
import select
import threading
from typing import Any

from psycopg2 import _psycopg

# The symbols of the very libpq that psycopg2 is linked with.
_libpq = ctypes.CDLL(_psycopg.__file__)
_libpq.PQgetCancel.argtypes = [ctypes.c_void_p]
_libpq.PQgetCancel.restype = ctypes.c_void_p
_libpq.PQcancel.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int]
_libpq.PQfreeCancel.argtypes = [ctypes.c_void_p]

# On a dead network each request lasts as long as tcp_user_timeout says.
_places = threading.BoundedSemaphore(8)
_ANSWER_MILLISECONDS = 500


def cancel_and_close(raw: Any) -> None:
    """Cancel what a connection still does, then close it; returns at once. The connection is this function's now.

    In this order, because a pooler knows no longer whom to cancel for when its client has hung up.
    """
    if raw.closed or not _places.acquire(blocking=False):
        raw.close()
    else:
        threading.Thread(target=_cancel_and_close, args=(raw,), daemon=True).start()


def _cancel(raw: Any) -> None:
    request = _libpq.PQgetCancel(raw.pgconn_ptr)
    errors = ctypes.create_string_buffer(256)
    _libpq.PQcancel(request, errors, len(errors))  # Its failure means that the server is out of reach.
    _libpq.PQfreeCancel(request)


def _cancel_and_close(raw: Any) -> None:
    try:
        answer = select.poll()
        answer.register(raw.fileno(), select.POLLIN)
        # Again while nothing happens: a request that overtakes its statement finds the server idle, and is lost.
        for _ in range(3):
            _cancel(raw)
            if answer.poll(_ANSWER_MILLISECONDS):
                break
        raw.close()
    finally:
        _places.release()
