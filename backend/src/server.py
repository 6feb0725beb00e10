"""uvicorn as we run it: its settings, its listening sockets, and the parent of several workers. Rank 6."""

import asyncio
import multiprocessing
import os
import signal
import socket
import sys

import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from src.config import Settings
from src.http_guard import GuardedProtocol

GRACE = 8  # seconds that requests under way may take after SIGTERM; platforms send SIGKILL after ten

# uvloop accepts one connection in each turn of its loop (libuv does, since 1.45), and a turn is long when many clients
# are served: of 160 that came at once the last waited 0.5 s for its first answer. From each of these, which are the
# same socket, it takes one: 0.15 s. With eight of them one worker often took what two were meant to share.
_ACCEPTING = 4


class _Supervisor(Multiprocess):
    """Closes the sockets before it ends the workers; else who connects in between is neither served nor refused."""

    def terminate_all(self) -> None:
        for listening in self.sockets:
            listening.close()
        super().terminate_all()


def serve(settings: Settings) -> None:
    """Serve `src.main:app` until a signal ends it."""
    config = _config(settings)
    first = config.bind_socket()
    first.listen(config.backlog)  # who connects from now on waits for the start; uvicorn says already that it runs
    sockets = [first, *(_duplicate(first) for _ in range(_ACCEPTING - 1))]
    if settings.web_concurrency > 1:
        _Supervisor(config, sockets).run()
        return
    server = uvicorn.Server(config)
    server.run(sockets)
    if not server.started:
        sys.exit(STARTUP_FAILURE)


def follow_parent() -> None:
    """Stop this worker when its parent is killed. Else it would keep the port, and no successor could start."""
    parent = multiprocessing.parent_process()
    if parent:
        asyncio.get_running_loop().add_reader(parent.sentinel, _orphaned, parent.sentinel)


def _orphaned(sentinel: int) -> None:
    asyncio.get_running_loop().remove_reader(sentinel)
    signal.raise_signal(signal.SIGTERM)


def _duplicate(listening: socket.socket) -> socket.socket:
    return socket.socket(fileno=os.dup(listening.fileno()))


def _config(settings: Settings) -> uvicorn.Config:
    return uvicorn.Config(
        "src.main:app",
        host=settings.host,
        port=settings.port,
        workers=settings.web_concurrency,
        loop="uvloop",
        http=GuardedProtocol,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        root_path=settings.root_path,
        proxy_headers=True,
        forwarded_allow_ips=settings.forwarded_allow_ips,
        timeout_graceful_shutdown=GRACE,
    )
