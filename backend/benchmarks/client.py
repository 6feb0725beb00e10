"""A small HTTP client: for checks, and for counted requests where a load generator counts only time."""

import asyncio
import http.client
import json
import socket
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from typing import Any

from benchmarks.operations import Request


def answers(port: int, raw: bytes) -> bool:
    """Whether something on this port answers this request with 2xx."""
    try:
        with closing(socket.create_connection(("127.0.0.1", port), timeout=10)) as connection:
            connection.sendall(raw)
            return connection.recv(12)[9:10] == b"2"
    except OSError:
        return False


@dataclass(frozen=True)
class Answer:
    """A whole response."""

    status: int
    headers: dict[str, str]
    body: Any


def ask(port: int, request: Request, **headers: str) -> Answer:
    """Send one request on a connection of its own."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        connection.request(request.method, request.target, request.content or None, request.headers | headers)
        response = connection.getresponse()
        text = response.read().decode()
        return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, _parsed(text))


def _parsed(text: str) -> Any:
    """Return what is JSON parsed, and what is not, as some have it behind a 500, as it came."""
    try:
        return json.loads(text or "null")
    except json.JSONDecodeError:
        return text


class RefusedError(RuntimeError):
    """An answer outside of 2xx, where nothing else was expected."""


@asynccontextmanager
async def _connection(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**26)
    try:
        yield reader, writer
    finally:
        writer.close()


async def send_in_turn(port: int, requests: Sequence[bytes]) -> list[float]:
    """Send requests one after the other on one connection; return the seconds that each took."""
    async with _connection(port) as streams:
        return [await _timed(*streams, raw) for raw in requests]


async def body_length(port: int, raw: bytes) -> int:
    """Send one request; return the bytes of the answer's body."""
    async with _connection(port) as streams:
        return await _exchange(*streams, raw)


async def send_at_once(port: int, requests: Sequence[bytes], clients: int) -> list[float]:
    """Share the requests between so many connections; return all times."""
    shares = (requests[number::clients] for number in range(clients))
    times = await asyncio.gather(*(send_in_turn(port, share) for share in shares))
    return [seconds for client in times for seconds in client]


async def _timed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, raw: bytes) -> float:
    started = time.perf_counter()
    await _exchange(reader, writer, raw)
    return time.perf_counter() - started


async def _exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, raw: bytes) -> int:
    writer.write(raw)
    head = await reader.readuntil(b"\r\n\r\n")
    if head[9:10] != b"2":
        raise RefusedError(head.decode("latin-1").split("\r\n")[0])
    return len(await reader.readexactly(_length(head)))


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            return int(line.split(b":")[1])
    if b" 204 " in head[:14]:
        return 0
    raise RefusedError("an answer without Content-Length")
