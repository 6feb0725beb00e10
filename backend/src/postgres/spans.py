"""A span for each statement of a traced request: its text as it was built, without values, and how it failed.

Made from the engine's events; the instrumentation that OpenTelemetry has for it declares SQLAlchemy below 2.1.
"""

import re
from functools import lru_cache
from typing import Any, cast

from opentelemetry.trace import SpanKind, StatusCode, Tracer, get_current_span
from sqlalchemy import Connection, Engine, ExceptionContext, event

from src.postgres.faults import sqlstate

_KEY = "span"  # of a connection, which has one statement at a time
_WRITES = re.compile(r"\b(INSERT) INTO (\w+)|\b(UPDATE) (\w+)|\b(DELETE) FROM (\w+)")
_READS = re.compile(r"\b(SELECT)\b(?:.*?\bFROM (\w+))?", re.DOTALL)


def trace_statements(engine: Engine, tracer: Tracer) -> None:
    """Listen to an engine. The text is what was built, since the dialect adds a statement's limit later."""

    def begin(connection: Connection, _cursor: Any, statement: str, *_context: Any) -> None:
        # What no request asked for, as at the start, would be a trace of its own each time.
        if get_current_span().is_recording():
            operation, summary = summary_of(statement)
            attributes = {
                "db.system.name": "postgresql",
                "db.operation.name": operation,
                "db.query.summary": summary,
                "db.query.text": statement,
            }
            _kept_for(connection)[_KEY] = tracer.start_span(summary, kind=SpanKind.CLIENT, attributes=attributes)

    event.listen(engine, "before_cursor_execute", begin)
    event.listen(engine, "after_cursor_execute", _end)
    event.listen(engine, "handle_error", _fail)


def _kept_for(connection: Connection) -> dict[str, Any]:
    """Not its `info`, which raises while SQLAlchemy sets up an engine's first connection: see `faults.opened_at`."""
    return cast(dict[str, Any], connection.connection.record_info)


def _end(connection: Connection, *_context: Any) -> None:
    if span := _kept_for(connection).pop(_KEY, None):
        span.end()


def _fail(context: ExceptionContext) -> None:
    """End the span with the SQLSTATE, or with what broke the statement off; texts of PostgreSQL quote values."""
    span = _kept_for(context.connection).pop(_KEY, None) if context.connection is not None else None
    if span is None:
        return
    error = context.original_exception
    code = sqlstate(error)
    if code:
        span.set_attribute("db.response.status_code", code)
    span.set_attribute("error.type", code or type(error).__name__)
    span.set_status(StatusCode.ERROR)
    span.end()


@lru_cache(maxsize=256)
def summary_of(statement: str) -> tuple[str, str]:
    """Return what a statement does, and to which table: the first that it writes, else the first that it reads."""
    found = _WRITES.search(statement) or _READS.search(statement)
    words = [word for word in found.groups() if word] if found else []
    return (words[0] if words else "OTHER", " ".join(words) or "OTHER")
