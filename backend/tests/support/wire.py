"""An HTTP client of a few lines: cheap enough for hundreds at once, and able to misbehave."""

import asyncio
import json as _json
import socket
from dataclasses import dataclass
from typing import Any

ORIGIN = "http://localhost:3000"


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return _json.loads(self.body)


class CutError(Exception):
    """The connection ended before the answer was complete: what happened is unknown."""


class Wire:
    """One keep-alive connection; it is opened anew after it was cut."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def request(self, method: str, path: str, token: str | None = None, json: Any = None, **extra: str) -> Reply:
        """Send a request and read the answer.

        Raises:
            ConnectionRefusedError: it was surely not received.
            CutError: it may have been.
        """
        if self._writer is None:
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            self._writer.write(rendered(method, path, token, json, **extra))
            await self._writer.drain()
            reply = await self._read_reply()
        except (OSError, asyncio.IncompleteReadError) as error:
            await self.close()
            raise CutError from error
        if reply.headers.get("connection") == "close":
            await self.close()
        return reply

    async def _read_reply(self) -> Reply:
        assert self._reader
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        body = await self._reader.readexactly(int(headers.get("content-length", 0)))
        return Reply(int(head[0].split()[1]), headers, body)

    async def close(self) -> None:
        if self._writer:
            self._writer.transport.abort()
            self._writer = None


def rendered(method: str, path: str, token: str | None = None, json: Any = None, **extra: str) -> bytes:
    headers = {
        "Host": "localhost",
        "Origin": ORIGIN,
        **{name.replace("_", "-"): value for name, value in extra.items()},
    }
    body = b"" if json is None else _json.dumps(json).encode()
    if token:
        headers["Authorization"] = f"Bearer {token}"
    if json is not None:
        headers |= {"Content-Type": "application/json", "Content-Length": str(len(body))}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode() + body


def read_head(answering: socket.socket) -> bytes:
    """Read one whole answer from a blocking socket, and return its head in lower case."""
    head, end, body = b"", b"", b""
    while not end:
        head += answering.recv(65536) or _cut()
        head, end, body = head.partition(b"\r\n\r\n")
    head = head.lower()
    length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
    while len(body) < length:
        body += answering.recv(65536) or _cut()
    return head


def _cut() -> bytes:
    raise CutError
