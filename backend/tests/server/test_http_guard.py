"""What the guard sees of a connection that no client from outside can bring about; the rest is in `faults`."""

import asyncio
import socket

import pytest
import uvicorn
import uvloop
from starlette.types import Receive, Scope, Send

from src.server import http_guard
from tests.support.polling import eventually

_BODY = 60_000  # bytes: below what uvloop holds back before it says so


async def _app(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % _BODY)]})
    await send({"type": "http.response.body", "body": bytes(_BODY)})


def test_a_last_answer_that_is_not_read_ends_the_connection_however_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_guard, "STALLED_SECONDS", 0.3)

    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)  # of what it accepts
            config = uvicorn.Config(_app, http=http_guard.GuardedProtocol, lifespan="off", log_config=None)
            server = uvicorn.Server(config)
            serving = asyncio.ensure_future(server.serve([listening]))
            with socket.socket() as client:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                client.setblocking(False)
                loop = asyncio.get_running_loop()
                await loop.sock_connect(client, listening.getsockname())
                await loop.sock_sendall(client, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                open_ones = server.server_state.connections
                try:
                    await asyncio.to_thread(eventually, lambda: open_ones, 5, "the connection is there")
                    await asyncio.to_thread(eventually, lambda: not open_ones, 3, "the server has given up on it")
                finally:
                    server.should_exit = server.force_exit = True
                    await serving

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
