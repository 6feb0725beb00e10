"""Clients that are slow, greedy, or gone. Each is bounded, and the others notice nothing."""

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress

import httpx
import pytest

from src.server.http_guard import HEAD_SECONDS, MAX_PIPELINED
from tests.faults.conftest import SHARED, StartService
from tests.support import canaries
from tests.support.polling import eventually
from tests.support.postgres_server import Postgres
from tests.support.processes import POOL, ServiceProcess
from tests.support.tokens import bearer, make_token
from tests.support.wire import Wire, rendered

TOKEN = make_token("alice")
HEALTH = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"


def connected(service: ServiceProcess) -> socket.socket:
    return socket.create_connection(("127.0.0.1", service.port), timeout=30)


def sent_slowly(service: ServiceProcess, data: bytes, pause: float = 0.2) -> tuple[bytes, float]:
    """Send one byte after the other until there is an answer; return it and how long that took."""
    started = time.monotonic()
    with connected(service) as client:
        client.settimeout(pause)
        for byte in data:
            try:
                client.sendall(bytes([byte]))
                if answer := client.recv(65536):
                    return answer, time.monotonic() - started
            except TimeoutError:
                continue
            break
    return b"", time.monotonic() - started


@pytest.fixture(autouse=True)
def _others_are_not_affected(service: ServiceProcess) -> Iterator[None]:
    before = service.threads()
    yield
    started = time.monotonic()
    assert httpx.get(f"{service.url}/api/alice/tasks", headers=bearer(TOKEN)).is_success
    assert time.monotonic() - started < 2
    assert service.threads() <= before


@pytest.mark.stress
def test_a_body_of_a_few_bytes_a_second_is_408(service: ServiceProcess) -> None:
    head = rendered("POST", "/api/alice/tasks", TOKEN, {"title": "x" * 190}).split(b"\r\n\r\n")[0] + b"\r\n\r\n"
    with connected(service) as client:
        client.sendall(head)
        started = time.monotonic()
        client.settimeout(0.5)
        answer = b""
        while not answer and time.monotonic() - started < 20:
            client.sendall(b" ")
            try:
                answer = client.recv(65536)
            except TimeoutError:
                continue
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"access-control-allow-origin" in answer
    assert b"application/problem+json" in answer
    assert time.monotonic() - started < 15


@pytest.mark.stress
def test_a_head_that_does_not_end_in_time_is_408(service: ServiceProcess) -> None:
    answer, seconds = sent_slowly(service, b"GET /health HTTP/1.1\r\nX-Slow: " + b"a" * 1000, pause=0.5)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"application/problem+json" in answer
    assert seconds < HEAD_SECONDS + 5


@pytest.mark.parametrize("piece", [b"a" * 4096, b"X-Header: a\r\n" * 300], ids=["one", "many"])
def test_headers_without_end_are_431(service: ServiceProcess, piece: bytes) -> None:
    before = service.memory()
    with connected(service) as client:
        client.sendall(b"GET /health HTTP/1.1\r\nX-Large: ")
        sent = 0
        try:
            while sent < 50_000_000:
                client.sendall(piece)
                sent += len(piece)
        except OSError:
            pass
    assert sent < 20_000_000
    assert service.memory() - before < 10_000_000


def _send_all(client: socket.socket, head: bytes, piece: bytes) -> None:
    client.sendall(head)
    for _ in range(100_000):
        client.sendall(piece)


def test_a_body_without_end_is_413_long_before_its_time_is_over(service: ServiceProcess) -> None:
    before, sent, answer = service.memory(), 0, b""
    head = rendered("POST", "/api/alice/tasks", TOKEN, Transfer_Encoding="chunked", Content_Type="application/json")
    started = time.monotonic()
    with connected(service) as client:
        client.sendall(head)
        client.setblocking(False)
        while not answer and time.monotonic() - started < 20:
            try:
                sent += client.send(b"1000\r\n" + b" " * 4096 + b"\r\n")
            except BlockingIOError:
                time.sleep(0.01)
            with suppress(BlockingIOError):
                answer = client.recv(65536)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert time.monotonic() - started < 5
    assert service.memory() - before < 10_000_000


def test_trailers_without_end_are_cut(service: ServiceProcess) -> None:
    head = rendered("POST", "/api/alice/tasks", TOKEN, Transfer_Encoding="chunked", Content_Type="application/json")
    with connected(service) as client, pytest.raises(ConnectionError):
        _send_all(client, head + b'd\r\n{"title":"a"}\r\n0\r\n', b"X-Trailer: a\r\n" * 100)


def test_what_is_not_http_is_a_problem_document(service: ServiceProcess) -> None:
    with connected(service) as client:
        client.sendall(b"NOT HTTP AT ALL\r\n\r\n")
        answer = client.recv(65536)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"application/problem+json" in answer
    assert b"x-request-id" in answer


@pytest.mark.stress
def test_a_thousand_idle_connections(service: ServiceProcess) -> None:
    before = service.memory()
    clients = [connected(service) for _ in range(1000)]
    try:
        started = time.monotonic()
        assert httpx.get(f"{service.url}/api/alice/tasks", headers=bearer(TOKEN)).is_success
        assert time.monotonic() - started < 2
        assert service.memory() - before < 50_000_000
        eventually(lambda: not service.clients(), HEAD_SECONDS + 10, "the server hangs up on them")
    finally:
        for client in clients:
            client.close()


def test_pipelined_requests_are_answered_in_order(service: ServiceProcess) -> None:
    with connected(service) as client:
        client.sendall(b"".join(rendered("GET", "/health", X_Request_ID=f"n{n}") for n in range(100)))
        answer = b""
        while answer.count(b"HTTP/1.1 200") < 100 or not answer.endswith(b"}"):
            answer += client.recv(65536)
    positions = [answer.index(b"x-request-id: n%d\r\n" % n) for n in range(100)]
    assert positions == sorted(positions)


@pytest.mark.parametrize("body", [0, 40_000])
def test_what_comes_before_a_head_is_no_part_of_it(service: ServiceProcess, body: int) -> None:
    """A piece that ends in the middle of a small head may hold many requests, or the end of a body."""
    first = rendered("POST", "/api/alice/tasks", TOKEN, {"title": "x", "description": "y" * 900, "more": "z" * body})
    following = rendered("GET", "/health", X_Filler="f" * 800)
    data = first + following * 60
    with connected(service) as client:
        for piece in (data[: len(first) - body], data[len(first) - body : -20], data[-20:]):
            client.sendall(piece)
            time.sleep(0.3)
        answer = b""
        while (answer.count(b"HTTP/1.1 20"), answer[-1:]) != (61, b"}"):
            received = client.recv(65536)
            assert received, answer[-1000:]
            answer += received


@pytest.mark.stress
@pytest.mark.parametrize("rest", [b"\r\n", None], ids=["after an answer", "of an answered body"])
def test_a_connection_is_no_less_idle_for_stray_bytes(service: ServiceProcess, rest: bytes | None) -> None:
    length = "" if rest else "Content-Length: 9\r\n"
    with connected(service) as client:
        client.sendall(f"POST /nowhere HTTP/1.1\r\nHost: a\r\n{length}\r\n".encode())
        assert client.recv(65536).startswith(b"HTTP/1.1 404")
        client.sendall(rest or b"x")
        client.settimeout(HEAD_SECONDS + 5)
        assert client.recv(65536) == b""


def test_pipelining_without_end_is_bounded(service: ServiceProcess) -> None:
    before = service.memory()
    slow = rendered("GET", "/api/alice/tasks", TOKEN)
    with connected(service) as client:
        client.settimeout(5)
        try:
            for _ in range(200):
                client.sendall(slow * MAX_PIPELINED * 2)
        except OSError:
            pass
    assert service.memory() - before < 30_000_000


@pytest.mark.stress
def test_a_reader_that_never_reads_is_hung_up_on(start_service: StartService) -> None:
    # What the kernel takes in for a client is read, to the service: then its connection is an idle one.
    service = start_service(keep_alive_seconds=5)
    service.wait_ready()
    for _ in range(20):
        body = {"title": "t", "description": "d" * 1000}
        httpx.post(f"{service.url}/api/reader/tasks", headers=bearer(make_token("reader")), json=body)
    request = rendered("GET", "/api/reader/tasks", make_token("reader"))
    before = service.memory()
    clients = [socket.socket() for _ in range(10)]
    for client in clients:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", service.port))
        client.sendall(request * 100)  # more than two megabytes of answers
    assert service.answers("/health")
    assert service.memory() - before < 40_000_000
    eventually(lambda: service.clients() == len(clients), 5, "all are here, and that of the line above is not")
    eventually(lambda: not service.clients(), 45, "the server gives up on them")
    for client in clients:
        client.close()


def test_clients_that_leave_in_the_middle_leak_nothing(
    service: ServiceProcess, postgres: Postgres, settled: Callable[..., None]
) -> None:
    asyncio.run(_leavers(service.port))
    eventually(lambda: not service.clients(), 10, "their sockets are closed")
    settled(POOL, SHARED)
    with httpx.Client(headers=bearer(TOKEN)) as client:  # every place can still be taken, all at once
        assert all(client.get(f"{service.url}/api/alice/tasks").is_success for _ in range(20))
    assert postgres.execute(
        f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{SHARED}' AND state = 'active'"
    ) == [(0,)]


async def _leavers(port: int) -> None:
    async def leave(after: float, data: bytes) -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(data)
        await asyncio.sleep(after)
        writer.transport.abort()

    create = rendered("POST", "/api/alice/tasks", TOKEN, {"title": canaries.TITLE})
    read = rendered("GET", "/api/alice/tasks", TOKEN)
    work: list[Awaitable[None]] = []
    for number in range(200):
        data = (read, create, create[:-5], create[:100])[number % 4]
        work.append(leave((number % 7) * 0.002, data))
    await asyncio.gather(*work)
    wire = Wire(port)
    assert (await wire.request("GET", "/health")).status == 200
    await wire.close()
