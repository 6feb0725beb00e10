"""Which loggers say what, in which form, and where to."""

import logging
import logging.config
import sys
from typing import Any

from src.config import Settings
from src.log.destinations import LogFile, StandardError
from src.log.forms import JsonFormatter, TextFormatter
from src.log.output import Output

_TOO_MUCH = {
    # A line for each request of uvicorn is one too many; HTTP clients would log every fetch of keys and every export.
    **dict.fromkeys(("uvicorn.access", "httpx", "httpcore", "urllib3", "alembic"), "WARNING"),
    # Of a collector that is away these tell with each export, with its address; `telemetry.py` says it once.
    "opentelemetry.sdk": "ERROR",
    "opentelemetry.exporter": "CRITICAL",
}


def configure_logging(settings: Settings) -> None:
    """Send the lines of every logger to standard error and LOG_FILE; instead of where they went before."""
    # No line shows where its record was made, and looking that up costs 3 % of a small request. These switches are the
    # ones that the logging HOWTO names under "Optimization".
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    handlers = {}
    if sys.stderr is not None:  # Where a process starts without one, its number is soon that of a socket.
        handlers["console"] = _handler(settings, StandardError())
    if settings.log_file:
        handlers["file"] = _handler(settings, LogFile(settings.log_file))
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"text": {"()": TextFormatter}, "json": {"()": JsonFormatter}},
            "handlers": handlers,
            "root": {"handlers": list(handlers), "level": settings.log_level},
            "loggers": {
                # `uvicorn src.main:app` has given them handlers and a form of their own.
                **{name: {"handlers": [], "propagate": True} for name in ("uvicorn", "uvicorn.error")},
                **{name: {"handlers": [], "propagate": True, "level": level} for name, level in _TOO_MUCH.items()},
            },
        }
    )


def finish_logging() -> None:
    """Have every line written, those to come as well; with the last that the application says."""
    for handler in logging.root.handlers:
        if isinstance(handler, Output):
            handler.finish()


def _handler(settings: Settings, destination: StandardError | LogFile) -> dict[str, Any]:
    style = ("text" if destination.terminal else "json") if settings.log_format == "auto" else settings.log_format
    return {"()": Output, "destination": destination, "formatter": style}
