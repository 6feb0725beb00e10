"""`Server-Timing`: how long an answer took, for who looks at it in a browser (https://www.w3.org/TR/server-timing/).

Opt-in, since times tell a stranger something of the inside: whether a token was known, how busy the database is.
"""

import time

from opentelemetry.trace import get_current_span
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from src.log import this_request

HEADER = "Server-Timing"


class ServerTiming:
    """Adds the header to every answer; stands around CORS, whose decision on the origin it shares."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application."""
        started = time.perf_counter()

        async def send_timed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers[HEADER] = _timing(time.perf_counter() - started)
                if origin := headers.get("Access-Control-Allow-Origin"):
                    headers["Timing-Allow-Origin"] = origin
            await send(message)

        await self.app(scope, receive, send_timed if scope["type"] == "http" else send)


def _timing(total: float) -> str:
    record = this_request()
    seconds = {"auth": record.auth_seconds, "db": record.db_seconds, "total": total}
    return ", ".join([*(f"{name};dur={value * 1000:.2f}" for name, value in seconds.items()), *_trace()])


def _trace() -> list[str]:
    """Return the identity of the request's span, in the form that monitoring of browsers reads."""
    context = get_current_span().get_span_context()
    if not context.is_valid:
        return []
    return [f'traceparent;desc="00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"']
