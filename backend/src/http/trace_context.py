"""A request's span and its line in the log name each other. Stands inside of `RequestContext`, where traces are on."""

from opentelemetry.trace import Span, format_trace_id, get_current_span
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from src.log import RequestRecord, this_request


class TraceContext:
    """Gives the span the request's id and the reason of a refusal, and the log line the trace's id."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application."""
        span = get_current_span()
        # Probes have none, and the lifespan has none.
        traced = scope["type"] == "http" and span.get_span_context().is_valid
        await self.app(scope, receive, _noted(send, span) if traced else send)


def _noted(send: Send, span: Span) -> Send:
    record = this_request()
    record.trace_id = format_trace_id(span.get_span_context().trace_id)
    span.set_attribute("request_id", record.id)

    async def noted(message: Message) -> None:
        # FastAPI ends the span with the last part of the body.
        if message["type"] == "http.response.start":
            span.set_attributes(_known(record))
        await send(message)

    return noted


def _known(record: RequestRecord) -> dict[str, str | float]:
    """Return what the span does not know from FastAPI, by the names that the log has for it."""
    times = {"auth_ms": round(record.auth_seconds * 1000, 2), "db_ms": round(record.db_seconds * 1000, 2)}
    return {**times, "reason": record.reason} if record.reason else {**times}
