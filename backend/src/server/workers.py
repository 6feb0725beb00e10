"""uvicorn as we run it: its settings, its listening sockets, and the parent of several workers."""

import asyncio
import ipaddress
import logging
import multiprocessing
import os
import signal
import socket
import sys
import time
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess
from uvicorn.supervisors.multiprocess import Process

from src.config import Settings
from src.server.http_guard import GuardedProtocol
from src.server.memory import GiveBack, starting

logger = logging.getLogger(__name__)

GRACE = 8  # seconds that requests under way may take after SIGTERM; platforms send SIGKILL after ten

# uvloop accepts one connection in each turn of its loop (libuv does, since 1.45), and a turn is long when many clients
# are served. From each of these, which are the same socket, it takes one: of 160 that came at once the last has its
# first answer after 0.26 s, not 0.29.
_ACCEPTING = 4

_STEP = 0.1  # seconds between looks at a worker that starts or ends

Sockets = list[socket.socket]


class _Supervisor(Multiprocess):
    """The parent of several workers, each with a listening socket of its own: the kernel shares out the clients.

    From one that they share, a worker that happens to be awake takes all: of 100 clients that came at once, up to 100.
    The parent keeps every socket open, so who waits in that of a worker that has ended is served by its successor.
    """

    # The number of workers is that of the sockets; one that went would leave its clients waiting.
    handle_ttin = handle_ttou = None  # type: ignore[assignment]  # uvicorn asks whether there is such a method

    def __init__(self, config: uvicorn.Config, places: list[Sockets]) -> None:
        self._places = places
        self._replacing = False
        super().__init__(config, [])

    @property
    def failed(self) -> bool:
        """Whether all were stopped because one could not start."""
        return any(process.exitcode == STARTUP_FAILURE for process in self.processes)

    @property
    def sockets(self) -> Sockets:
        """Those of the next place at the start, then of all places without a living worker; all, where SIGHUP replaces.

        uvicorn does not say whose successor it starts, and another may have ended meanwhile: its clients have two.
        """
        if len(self.processes) < len(self._places):
            return self._places[len(self.processes)]
        places = zip(self._places, self.processes, strict=True)
        left = [] if self._replacing else [own for own, it in places if not it.process.is_alive()]
        return [listening for own in left or self._places for listening in own]

    @sockets.setter
    def sockets(self, _: Sockets) -> None:
        """Ignore what uvicorn was given; `_places` has it."""

    def restart_all(self) -> None:
        """Replace each worker, for SIGHUP, by one that serves every socket: which will be without one, none can say.

        Not by uvicorn's own, which looks at no other signal until the last is replaced: SIGTERM would have to wait.
        """
        self._replacing = True
        for number, old in enumerate(self.processes):
            if self._is_told_to_stop():
                break
            new = Process(self.config, self.sockets)
            new.start()
            if not self._serves(new):
                new.kill()
                new.join()
                break
            self.processes[number] = new
            old.terminate()
            while old.process.is_alive() and not self._is_told_to_stop():
                time.sleep(_STEP)
        self._replacing = False

    def _serves(self, worker: Process) -> bool:
        """Wait until a new worker serves; not for one that ends or takes too long, nor when all are to stop."""
        deadline = time.monotonic() + self.config.timeout_worker_healthcheck
        while worker.process.is_alive() and not self._is_told_to_stop():
            if worker.is_ready(timeout=1):
                return True
            if time.monotonic() > deadline:
                logger.error("worker not ready in time", extra={"pid": worker.pid})
                break
            time.sleep(_STEP)
        return False

    def _is_told_to_stop(self) -> bool:
        """Whether a signal was handled, or waits in uvicorn's queue, whose handlers do nothing but add to it."""
        return self.should_exit.is_set() or not {signal.SIGTERM, signal.SIGINT}.isdisjoint(self.signal_queue)

    def terminate_all(self) -> None:
        """Close the sockets first; else who connects in between is neither served nor refused."""
        for own in self._places:
            for listening in own:
                listening.close()
        super().terminate_all()


def serve(settings: Settings) -> None:
    """Serve `src.main:app` until a signal ends it."""
    config = _config(settings)
    places = _listening(config, settings.web_concurrency)
    if settings.web_concurrency > 1:
        supervisor = _Supervisor(config, places)
        supervisor.run()
        if supervisor.failed:
            sys.exit(STARTUP_FAILURE)
        return
    server = uvicorn.Server(config)
    server.run(places[0])
    if not server.started:
        sys.exit(STARTUP_FAILURE)


def worker() -> ASGIApp:
    """Return the application, in a process that serves nothing else; uvicorn calls this in the event loop."""
    with starting():
        from src.main import app  # noqa: PLC0415  # the parent of the workers has no use for it
    _follow_parent()
    return GiveBack(app)


def _follow_parent() -> None:
    """Stop this worker when its parent is killed. Else it would keep the port, and no successor could start."""
    parent = multiprocessing.parent_process()
    if parent:
        asyncio.get_running_loop().add_reader(parent.sentinel, _orphaned, parent.sentinel)


def _orphaned(sentinel: int) -> None:
    asyncio.get_running_loop().remove_reader(sentinel)
    signal.raise_signal(signal.SIGTERM)


def _listening(config: uvicorn.Config, workers: int) -> list[Sockets]:
    """Return the sockets of each worker; who connects from now on waits for the start."""
    first = config.bind_socket()  # Fails where somebody listens already, with whom the sockets below would share.
    if workers == 1 or sys.platform != "linux":  # Elsewhere SO_REUSEPORT does not share clients out.
        first.listen(config.backlog)
        return [_accepting(first)] * workers
    family, address = first.family, first.getsockname()
    first.close()
    return [_accepting(_own(family, address, config.backlog)) for _ in range(workers)]


def _own(family: int, address: Any, backlog: int) -> socket.socket:
    own = socket.socket(family)
    for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
        own.setsockopt(socket.SOL_SOCKET, option, 1)
    own.bind(address)
    own.listen(backlog)
    return own


def _accepting(listening: socket.socket) -> Sockets:
    duplicates = (os.dup(listening.fileno()) for _ in range(_ACCEPTING - 1))
    return [listening, *(socket.socket(fileno=duplicate) for duplicate in duplicates)]


def _trusted(settings: Settings) -> str:
    """Return the proxies to trust; those of IPv4 once more as IPv6 has them, if that is what is listened on."""
    given = settings.forwarded_allow_ips
    if ":" not in settings.host or given == "*":
        return given
    networks = map(ipaddress.ip_network, given.split(","))
    mapped = [f"::ffff:{net.network_address}/{net.prefixlen + 96}" for net in networks if net.version == 4]
    return ",".join([given, *mapped])


def _config(settings: Settings) -> uvicorn.Config:
    return uvicorn.Config(
        "src.server.workers:worker",
        factory=True,
        host=settings.host,
        port=settings.port,
        workers=settings.web_concurrency,
        loop="src.server.loop:Loop",
        http=GuardedProtocol,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        root_path=settings.root_path,
        proxy_headers=True,
        forwarded_allow_ips=_trusted(settings),
        timeout_keep_alive=settings.keep_alive_seconds,
        timeout_graceful_shutdown=GRACE,
    )
