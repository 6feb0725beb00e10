"""What surrounds every request, as plain ASGI: request id and log line, CORS, refusals, last-resort 500.

Outermost first: `RequestContext`, `TraceContext` and `ServerTiming` (where they are asked for), `ProblemCORS`,
`Refusals`, `FaultBarrier`, `BodyLimit`, then the application. The id comes first, since every line and every answer has
it; CORS before all that refuses, so that a page may read each refusal and each 500.
"""

import asyncio
import logging
import re
import time

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from src.http.problems import FAULT_DETAIL, problem
from src.log import RequestRecord, Traffic, current_request, new_request_id

logger = logging.getLogger(__name__)

REFUSAL = "refusal"  # in the state of a scope: the status and the sentence of an answer that needs no application

_LOGGED_PATH = 200  # characters
_SANE_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
_QUIET = frozenset({"/health", "/health/ready"})  # probes would flood the log


class RequestContext:
    """Gives each request an id (the client's own, if sane) and one log line."""

    def __init__(self, app: ASGIApp, traffic: Traffic) -> None:
        self.app = app
        self._traffic = traffic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application; the id is in the log, in the response and in problem bodies."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        started, status = time.perf_counter(), 0
        record = RequestRecord(_request_id(scope), client=_client(scope))
        current_request.set(record)

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", record.id.encode())]
            await send(message)

        self._traffic.under_way += 1
        try:
            await self.app(scope, receive, send_with_id)
        except asyncio.CancelledError:
            self._traffic.broken_off += 1
            raise
        finally:
            self._traffic.under_way -= 1
            _log_request(scope, record, status, time.perf_counter() - started)


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _SANE_ID.fullmatch(value):
            return str(value, "ascii")
    return new_request_id()


def _client(scope: Scope) -> str | None:
    address = scope.get("client")
    return address[0] if address else None


def _log_request(scope: Scope, record: RequestRecord, status: int, seconds: float) -> None:
    route = getattr(scope.get("route"), "path", None)  # the template: few values, and no ids in them
    level = logging.DEBUG if route in _QUIET else logging.INFO
    if logger.isEnabledFor(level):
        fields = {
            "method": scope["method"],
            "route": route,
            "status": status,
            "ms": round(seconds * 1000, 2),
            "db_ms": round(record.db_seconds * 1000, 2),
            "user_id": record.user_id,
            "client": record.client,
        }
        if route is None:
            fields["path"] = _printable(scope["path"])
        logger.log(level, "request", extra=fields | _rare(record))


def _rare(record: RequestRecord) -> dict[str, str]:
    """Return what most lines are without."""
    rare = {"reason": record.reason, "sqlstate": record.sqlstate, "trace_id": record.trace_id}
    return {name: value for name, value in rare.items() if value}


def _printable(path: str) -> str:
    """Return what a client asked for in vain, as far as it cannot disturb a reader of the log."""
    return "".join(character if character.isprintable() else "?" for character in path[:_LOGGED_PATH])


class ProblemCORS(CORSMiddleware):
    """CORS whose refused preflights look like every other error; one whose head is refused is left to `Refusals`."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a preflight, or run the application and add headers."""
        if scope["type"] == "http" and scope["method"] == "OPTIONS" and _refusal(scope):
            headers = Headers(scope=scope)
            if "origin" in headers:
                return await self.simple_response(scope, receive, send, request_headers=headers)
        return await super().__call__(scope, receive, send)

    def preflight_response(self, request_headers: Headers) -> Response:
        """Answer a preflight."""
        response = super().preflight_response(request_headers)
        if response.status_code < 400:
            return response
        headers = {name: value for name, value in response.headers.items() if not name.startswith("content-")}
        return problem(response.status_code, str(response.body, "utf-8"), headers)


class Refusals:
    """Answers what is refused for its head: by the server, which says so in `REFUSAL`, or for want of one Host.

    An HTTP/1.1 request without a Host, or with several, is a 400 (RFC 9112, section 3.2). A path with an encoded
    slash is unknown: routes cannot tell that from a slash. So is one with a line end behind it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application, or answer in its place."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
        elif refusal := _refusal(scope):
            await problem(*refusal)(scope, receive, send)
        elif b"%2f" in scope.get("raw_path", b"").lower():
            await problem(404, "Not Found")(scope, receive, send)
        else:
            if scope["path"].endswith("\n"):
                scope["path"] += "\n"  # The `$` of a route's pattern also matches before one line end, not before two.
            await self.app(scope, receive, send)


def _refusal(scope: Scope) -> tuple[int, str] | None:
    if refusal := scope.get("state", {}).get(REFUSAL):
        status, detail = refusal
        return status, detail
    if scope["http_version"] == "1.1" and _hosts(scope) != 1:
        return 400, "Exactly one Host header is needed"
    return None


def _hosts(scope: Scope) -> int:
    return sum(name == b"host" for name, _ in scope["headers"])


class FaultBarrier:
    """Answers 500 where the application raised, and logs why; 503 where it was broken off.

    Starlette's own handler for that stands outside every other middleware: its answer has no CORS headers, so a
    browser would report each fault of ours as a CORS error.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        started = False

        async def noticed(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self.app(scope, receive, noticed)
        except (Exception, asyncio.CancelledError) as error:  # The last resort; whatever has a meaning was handled.
            answer = _last_word(error)
            if not started:
                await answer(scope, receive, send)
            if started or isinstance(error, asyncio.CancelledError):
                raise


def _last_word(error: BaseException) -> Response:
    """Log a fault, and return the answer to it; or to the end of the process, for which uvicorn has a bare 500."""
    if isinstance(error, asyncio.CancelledError):
        # Closing, so that the server begins no other request of this connection.
        return problem(503, "Service is stopping", {"Retry-After": "1", "Connection": "close"})
    logger.error("unhandled error", exc_info=error)
    return problem(500, FAULT_DETAIL)
