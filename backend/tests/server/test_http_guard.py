"""What the guard sees of a connection that no client from outside can bring about; the rest is in `faults`."""

import asyncio
import socket
from collections.abc import Awaitable, Callable

import pytest
import uvicorn
import uvloop
from starlette.types import Receive, Scope, Send

from src.server import http_guard
from tests.support.polling import eventually

SHORT, LONG = 60_000, 1_000_000  # bytes; uvloop says of the second only that it holds them back
STALLED = 0.5

Client = Callable[[socket.socket, set[object]], Awaitable[None]]


async def _app(scope: Scope, _receive: Receive, send: Send) -> None:
    size = int(scope["path"].strip("/"))
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % size)]})
    await send({"type": "http.response.body", "body": bytes(size)})


def _serve(client: Client) -> None:
    """Have a client and its connections; the buffers of both sides are small."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        with socket.create_server(("127.0.0.1", 0)) as listening, socket.socket() as connection:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)  # of what it accepts
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.setblocking(False)
            config = uvicorn.Config(
                _app, http=http_guard.GuardedProtocol, timeout_keep_alive=60, lifespan="off", log_config=None
            )
            server = uvicorn.Server(config)
            serving = asyncio.ensure_future(server.serve([listening]))
            try:
                await loop.sock_connect(connection, listening.getsockname())
                await client(connection, server.server_state.connections)
            finally:
                server.should_exit = server.force_exit = True
                await serving

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


async def _ask(client: socket.socket, size: int) -> None:
    await asyncio.get_running_loop().sock_sendall(client, f"GET /{size} HTTP/1.1\r\nHost: x\r\n\r\n".encode())


async def _read(client: socket.socket, size: int, pause: float = 0) -> None:
    """Read so much of an answer, and its head."""
    loop, left = asyncio.get_running_loop(), size
    while left > 0:
        data = await loop.sock_recv(client, 8192)
        assert data, "the server has hung up"
        left -= len(data)
        await asyncio.sleep(pause)


def test_a_last_answer_that_is_not_read_ends_the_connection_however_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_guard, "STALLED_SECONDS", STALLED)

    async def client(connection: socket.socket, connections: set[object]) -> None:
        await _ask(connection, SHORT)
        await asyncio.to_thread(eventually, lambda: connections, 5, "the connection is there")
        await asyncio.to_thread(eventually, lambda: not connections, 5, "the server has given up on it")

    _serve(client)


def test_who_reads_steadily_is_never_hung_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Though more waits to be read than when the watch began, with an answer that was read long ago."""
    monkeypatch.setattr(http_guard, "STALLED_SECONDS", STALLED)

    async def client(connection: socket.socket, connections: set[object]) -> None:
        await _ask(connection, SHORT)
        await _read(connection, SHORT)
        await _ask(connection, LONG)
        await _read(connection, LONG, pause=0.02)
        assert len(connections) == 1

    _serve(client)
