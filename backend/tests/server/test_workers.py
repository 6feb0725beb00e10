"""The listening sockets of the workers: each has its own, and the parent knows whose is whose."""

import os
import signal
import socket
import sys
from collections.abc import Iterator

import httpx
import pytest
import uvicorn
from uvicorn.supervisors.multiprocess import SIGNALS

from src.server.workers import Sockets, _listening, _Supervisor

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
