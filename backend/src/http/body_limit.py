"""Refuses request bodies over 64 KiB without reading them to the end, encoded ones, and those that take too long.

FastAPI's `max_body_size` does the same outside of CORS and in plain text, which a browser cannot show.
"""

import asyncio
from contextlib import suppress

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from src.http.problems import problem

MAX_BODY = 64 * 1024  # bytes
MAX_SECONDS = 10.0
DETAIL = "Request body is larger than 64 KiB"
CODING_DETAIL = "Content-Encoding must be identity"
_LINGER_BYTES = 1024 * 1024  # of a refused body
_LINGER_SECONDS = 1.0


class BodyLimit:
    """Counts what arrives; a declared length over the limit is refused before anything is read."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application with a bounded `receive`, or answer in its place."""
        if scope["type"] != "http" or not _has_body(scope):
            await self.app(scope, receive, send)
            return
        body = _Body(receive)
        closing = _closing(body, send)
        if _codings(scope) - {"", "identity"}:
            await problem(415, CODING_DETAIL, {"Accept-Encoding": "identity"})(scope, receive, closing)
        elif _declared_length(scope) > MAX_BODY:
            await problem(413, DETAIL)(scope, receive, closing)
        else:
            await self.app(scope, body.receive, closing)


class _Body:
    """A body on its way, of which no more is taken, and no longer, than is allowed."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._received = 0
        self._deadline = asyncio.get_running_loop().time() + MAX_SECONDS
        self._complete = False

    async def receive(self) -> Message:
        """Return the next piece.

        Raises:
            HTTPException: 408 or 413, the one kind of exception that FastAPI lets through while it reads a body.
        """
        if self._complete:  # What comes now is the client's departure, which has no deadline.
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._deadline):
                message = await self._next()
        except TimeoutError:
            raise HTTPException(408, "Request body was not sent in time") from None
        self._received += len(message.get("body", b""))
        if self._received > MAX_BODY:
            raise HTTPException(413, DETAIL)
        return message

    async def throw_away(self) -> None:
        """Read what is still on its way, within bounds: who is sending does not see an answer before a reset."""
        drained = 0
        with suppress(TimeoutError):
            async with asyncio.timeout(_LINGER_SECONDS):
                while drained < _LINGER_BYTES and not self._complete:
                    drained += len((await self._next()).get("body", b""))

    async def _next(self) -> Message:
        message = await self._receive()
        self._complete = not message.get("more_body", False)
        return message


def _has_body(scope: Scope) -> bool:
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value.strip(b"0"))
        for name, value in scope["headers"]
    )


def _codings(scope: Scope) -> set[str]:
    """Return the content codings. It is not looked at whether the body really is encoded: nothing here decodes."""
    lines = (str(value, "latin-1") for name, value in scope["headers"] if name == b"content-encoding")
    return {coding.strip() for line in lines for coding in line.lower().split(",")}


def _declared_length(scope: Scope) -> int:
    lengths = [value for name, value in scope["headers"] if name == b"content-length"]
    # Any number of zeros may stand before it, and Python would not read some thousands.
    return int(lengths[0].lstrip(b"0") or b"0") if lengths and lengths[0].isdigit() else 0


def _closing(body: _Body, send: Send) -> Send:
    """Wrap `send` so that a refused body ends the connection, once the client had a chance to read why."""
    refused = False

    async def send_closing(message: Message) -> None:
        nonlocal refused
        if message["type"] == "http.response.start" and message["status"] in (408, 413, 415):
            refused = True
            message["headers"] = [*message.get("headers", ()), (b"connection", b"close")]
        if refused and message["type"] == "http.response.body":
            await send({**message, "more_body": True})
            await body.throw_away()
            message = {"type": "http.response.body"}
        await send(message)

    return send_closing
