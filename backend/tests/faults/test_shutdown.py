"""The process is told to stop, or killed, in the middle of its work."""

import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import psutil
import pytest

from tests.faults.conftest import StartService
from tests.support import canaries
from tests.support.crowd import Crowd
from tests.support.polling import eventually
from tests.support.postgres_server import Postgres
from tests.support.processes import ServiceProcess
from tests.support.tokens import make_token
from tests.support.wire import read_head, rendered

HEALTH = rendered("GET", "/health")

BOTH = pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.stress)])


@pytest.fixture
def busy(start_service: StartService, workers: int) -> tuple[ServiceProcess, Crowd]:
    """A process under load, which ends or is killed in the test."""
    service = start_service(web_concurrency=workers)
    service.wait_ready()
    people = Crowd(service.port, 20)
    people.start()
    eventually(lambda: people.report.statuses[200] > 50, 20, "the load is on")
    return service, people


@BOTH
def test_sigterm_under_load_answers_what_it_accepted_and_exits_0(
    busy: tuple[ServiceProcess, Crowd], postgres: Postgres, database: str, settled: Callable[..., None]
) -> None:
    service, people = busy
    started = time.monotonic()
    status = service.stop(20)
    assert time.monotonic() - started < 10
    people.finish()
    assert status == 0
    assert not people.report.odd
    assert people.contradictions(lambda sql: postgres.execute(sql, database)) == []
    settled(0)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", service.port))


@BOTH
def test_a_request_under_way_is_answered_and_new_ones_are_not_taken(
    start_service: StartService, postgres: Postgres, database: str, workers: int
) -> None:
    service = start_service(web_concurrency=workers)
    service.wait_ready()
    with postgres.connected(database, autocommit=False) as holder:
        holder("LOCK TABLE tasks IN ACCESS EXCLUSIVE MODE")
        with socket.create_connection(("127.0.0.1", service.port), timeout=20) as client:
            client.sendall(rendered("POST", "/api/alice/tasks", make_token("alice"), {"title": canaries.TITLE}))
            eventually(lambda: postgres.waiting(database), 10, "the statement waits for the lock")
            service.signal(signal.SIGTERM)
            eventually(lambda: _refuses(service.port), 5, "new connections are refused")
            holder("COMMIT")
            answer = client.recv(65536)
    assert answer.startswith(b"HTTP/1.1 201 ")
    assert b"connection: close" in answer
    assert service.process.wait(10) == 0
    assert postgres.execute("SELECT title FROM tasks", database) == [(canaries.TITLE,)]


@BOTH
def test_who_is_connected_is_answered_once_more_and_who_stays_idle_delays_nothing(
    start_service: StartService, workers: int
) -> None:
    """A request may be on its way already when the process is told to stop, also on a connection without one yet."""
    service = start_service(web_concurrency=workers)
    service.wait_ready()
    with clients(service, 20) as connected:
        assert all(answered(client) for client in connected[:5])
        service.signal(signal.SIGTERM)
        eventually(lambda: _refuses(service.port), 5, "new connections are refused")
        for client in connected[:10]:
            client.sendall(HEALTH)
        heads = [read_head(client) for client in connected[:10]]
        assert all(head.startswith(b"http/1.1 200") and b"connection: close" in head for head in heads)
        assert service.process.wait(4) == 0


def _refuses(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return False
    except ConnectionRefusedError:
        return True


@pytest.mark.stress
@BOTH
def test_sigkill_loses_nothing_acknowledged(
    busy: tuple[ServiceProcess, Crowd], postgres: Postgres, database: str, settled: Callable[..., None]
) -> None:
    service, people = busy
    service.kill()
    people.finish()
    assert not people.report.odd
    settled(0)  # first, so that no statement is still running
    assert people.contradictions(lambda sql: postgres.execute(sql, database)) == []


@pytest.mark.stress
@pytest.mark.parametrize("workers", [2])
def test_a_killed_worker_is_replaced_and_loses_nothing(
    busy: tuple[ServiceProcess, Crowd], postgres: Postgres, database: str
) -> None:
    service, people = busy
    before = {worker.pid for worker in service.workers()}
    psutil.Process(min(before)).kill()
    eventually(lambda: len({worker.pid for worker in service.workers()} - before) == 1, 15, "a new worker")
    threading.Event().wait(1)
    people.finish()
    assert not people.report.odd
    assert people.contradictions(lambda sql: postgres.execute(sql, database)) == []
    assert service.stop() == 0


def connections(service: ServiceProcess) -> list[int]:
    """Return how many clients each worker serves."""
    return [
        sum(
            one.status == psutil.CONN_ESTABLISHED and one.laddr.port == service.port for one in worker.net_connections()
        )
        for worker in service.workers()
    ]


@contextmanager
def clients(service: ServiceProcess, number: int) -> Iterator[list[socket.socket]]:
    """Connect that many at once."""
    with ExitStack() as stack:
        yield [
            stack.enter_context(socket.create_connection(("127.0.0.1", service.port), timeout=20))
            for _ in range(number)
        ]


def answered(client: socket.socket) -> bool:
    client.sendall(HEALTH)
    return read_head(client).startswith(b"http/1.1 200")


def test_workers_share_the_clients(start_service: StartService) -> None:
    service = start_service(web_concurrency=2)
    service.wait_ready()
    for _ in range(5):
        with clients(service, 200) as connected:
            assert all(answered(client) for client in connected)
            assert min(connections(service)) > 50  # an even share is 100, and fewer than 65 one in a million


@pytest.mark.stress
def test_who_connects_while_a_worker_is_replaced_is_served(start_service: StartService) -> None:
    service = start_service(web_concurrency=2)
    service.wait_ready()
    service.workers()[0].kill()
    with clients(service, 40) as connected:
        assert all(answered(client) for client in connected)
    assert service.stop() == 0


@pytest.mark.stress
def test_workers_are_replaced_on_sighup_while_clients_come(start_service: StartService) -> None:
    service = start_service(web_concurrency=2)
    service.wait_ready()
    before = {worker.pid for worker in service.workers()}
    service.signal(signal.SIGHUP)
    served = 0
    while {worker.pid for worker in service.workers()} & before:
        with clients(service, 4) as connected:
            served += sum(answered(client) for client in connected)
    assert served > 0
    with clients(service, 40) as connected:
        assert all(answered(client) for client in connected)
    assert service.stop() == 0


def test_sigterm_while_workers_are_replaced_waits_for_none_of_them(start_service: StartService) -> None:
    service = start_service(web_concurrency=4)
    service.wait_ready()
    before = {worker.pid for worker in service.workers()}
    with clients(service, 40) as connected:
        assert all(answered(client) for client in connected)
        service.signal(signal.SIGHUP)
        eventually(lambda: {worker.pid for worker in service.workers()} - before, 10, "the first successor starts")
        started = time.monotonic()
        assert service.stop() == 0
        assert time.monotonic() - started < 5  # each takes more than a second, for those who are connected to it


def test_sigterm_and_sighup_at_once_replace_nobody(start_service: StartService) -> None:
    """As systemd sends them, which asks for that with SendSIGHUP=yes."""
    service = start_service(web_concurrency=4, log_level="INFO")
    service.wait_ready()
    service.signal(signal.SIGTERM)
    service.signal(signal.SIGHUP)
    assert service.process.wait(15) == 0
    assert service.log.read_text().count('"event": "starting"') == 4


@pytest.mark.stress
def test_workers_whose_parent_is_killed_end_and_free_the_port(start_service: StartService) -> None:
    service = start_service(web_concurrency=2)
    service.wait_ready()
    workers = service.workers()
    service.process.kill()
    eventually(lambda: _refuses(service.port), 10, "the port is free")
    _, alive = psutil.wait_procs(workers, timeout=10)
    assert not alive


@pytest.mark.stress
@pytest.mark.parametrize("workers", [2])
def test_several_workers_start_on_an_empty_database_at_once(start_service: StartService, workers: int) -> None:
    services = [start_service(web_concurrency=workers) for _ in range(2)]
    for service in services:
        service.wait_ready()
        assert service.stop() == 0
