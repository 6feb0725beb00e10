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
# A client that is still sending does not see an answer before a reset: so much is read, so long, and thrown away.
_LINGER_BYTES = 1024 * 1024
_LINGER_SECONDS = 1.0


class BodyLimit:
    """Counts what arrives; a declared length over the limit is refused before anything is read."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application with a bounded `receive`, or answer in its place."""
        if scope["type"] != "http" or not _has_body(scope):
            await self.app(scope, receive, send)
        elif _codings(scope) - {"", "identity"}:
            await problem(415, CODING_DETAIL, {"Accept-Encoding": "identity"})(scope, receive, _closing(receive, send))
        elif _declared_length(scope) > MAX_BODY:
            await problem(413, DETAIL)(scope, receive, _closing(receive, send))
        else:
            await self.app(scope, _bounded(receive), _closing(receive, send))


def _bounded(receive: Receive) -> Receive:
    received = 0
    deadline = asyncio.get_running_loop().time() + MAX_SECONDS
    complete = False

    async def bounded() -> Message:
        nonlocal received, complete
        if complete:  # What comes now is the client's departure, which has no deadline.
            return await receive()
        try:
            async with asyncio.timeout_at(deadline):
                message = await receive()
        except TimeoutError:
            # The one kind of exception that FastAPI lets through while it reads a body.
            raise HTTPException(408, "Request body was not sent in time") from None
        complete = not message.get("more_body", False)
        received += len(message.get("body", b""))
        if received > MAX_BODY:
            raise HTTPException(413, DETAIL)
        return message

    return bounded


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


def _closing(receive: Receive, send: Send) -> Send:
    """Wrap `send` so that a refused body ends the connection, once the client had a chance to read why."""
    refused = False

    async def send_closing(message: Message) -> None:
        nonlocal refused
        if message["type"] == "http.response.start" and message["status"] in (408, 413, 415):
            refused = True
            message["headers"] = [*message.get("headers", ()), (b"connection", b"close")]
        if refused and message["type"] == "http.response.body":
            await send({**message, "more_body": True})
            await _linger(receive)
            message = {"type": "http.response.body"}
        await send(message)

    return send_closing


async def _linger(receive: Receive) -> None:
    drained = 0
    with suppress(TimeoutError):
        async with asyncio.timeout(_LINGER_SECONDS):
            while drained < _LINGER_BYTES:
                message = await receive()
                if not message.get("more_body"):
                    return
                drained += len(message["body"])
