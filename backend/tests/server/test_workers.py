"""The listening sockets of the workers: each has its own, and the parent knows whose is whose."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Iterator

import httpx
import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.supervisors.multiprocess import SIGNALS

from src.config import Settings
from src.server.workers import Sockets, _listening, _Supervisor, _trusted

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the workers share one socket")
Listening = list[Sockets]


def config(port: int = 0, workers: int = 2) -> uvicorn.Config:
    return uvicorn.Config("benchmarks.bare:app", port=port, workers=workers, log_config=None)


@pytest.fixture
def places() -> Iterator[Listening]:
    made = _listening(config(), 2)
    yield made
    for own in made:
        for listening in own:
            listening.close()


@pytest.fixture
def supervisor(places: Listening) -> Iterator[_Supervisor]:
    """Real workers of a small application; this process has its signals back afterwards."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    made = _Supervisor(config(), places)
    made.init_processes()
    yield made
    for worker in made.processes:
        worker.kill()
        worker.join()
    for number, handler in before.items():
        signal.signal(number, handler)


def inodes(sockets: Sockets) -> set[int]:
    return {os.fstat(listening.fileno()).st_ino for listening in sockets}


def port_of(places: Listening) -> int:
    port: int = places[0][0].getsockname()[1]
    return port


def test_each_worker_has_one_socket_several_times_on_the_one_port(places: Listening) -> None:
    assert [len(inodes(own)) for own in places] == [1, 1]
    assert inodes(places[0]) != inodes(places[1])
    assert {listening.getsockname()[1] for own in places for listening in own} == {port_of(places)}
    assert all(listening.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) for own in places for listening in own)


def test_one_worker_has_one_socket() -> None:
    (own,) = _listening(config(), 1)
    assert len(own) > 1
    assert len(inodes(own)) == 1
    for listening in own:
        listening.close()


def test_a_successor_gets_the_socket_of_the_worker_that_ended(supervisor: _Supervisor, places: Listening) -> None:
    assert inodes(supervisor.sockets) == inodes(places[0]) | inodes(places[1])
    supervisor.processes[1].kill()
    supervisor.processes[1].join()
    assert inodes(supervisor.sockets) == inodes(places[1])
    supervisor.processes[0].kill()
    supervisor.processes[0].join()
    # Whichever uvicorn starts, its own socket is not left to nobody.
    assert inodes(supervisor.sockets) == inodes(places[0]) | inodes(places[1])


@pytest.mark.parametrize(("address", "known"), [("::ffff:10.1.2.3", True), ("::1", True), ("::ffff:11.1.2.3", False)])
def test_proxies_of_ipv4_are_known_where_ipv6_is_listened_on(address: str, known: bool) -> None:
    async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
        assert (scope["client"][0] == "203.0.113.9") is known

    settings = Settings(
        _env_file=None,
        environment="development",
        host="::1",
        forwarded_allow_ips="10.0.0.0/8,::1",  # type: ignore[call-arg]
    )
    scope = {
        "type": "http",
        "client": (address, 1),
        "headers": [(b"x-forwarded-for", b"203.0.113.9, 10.9.9.9")],
    }
    asyncio.run(ProxyHeadersMiddleware(app, _trusted(settings))(scope, None, None))  # type: ignore[arg-type]


def test_after_all_are_replaced_no_socket_is_left_to_nobody(supervisor: _Supervisor, places: Listening) -> None:
    supervisor.processes[1].kill()
    supervisor.processes[1].join()
    supervisor.restart_all()
    for _ in range(30):  # the kernel shares them out
        assert httpx.get(f"http://127.0.0.1:{port_of(places)}/health", timeout=5).is_success


def test_the_sockets_are_closed_before_the_workers_end(supervisor: _Supervisor, places: Listening) -> None:
    supervisor.terminate_all()
    assert all(listening.fileno() == -1 for own in places for listening in own)
    supervisor.join_all()
