"""Logging for every logger of the process: readable text in development, one JSON object a line elsewhere.

Call sites give an event name and fields (`logger.info("request", extra={"status": 200})`). Tokens, secrets,
bodies and database URLs are never given.
"""

import itertools
import json
import logging
import logging.config
import secrets
import time
from contextvars import ContextVar
from functools import lru_cache
from typing import Any

from src.config import Settings

request_id: ContextVar[str] = ContextVar("request_id", default="-")

# Unique without a system call for each: random for the process, counted within it. 3 % of a small request.
_PROCESS = secrets.token_hex(8)
_count = itertools.count(secrets.randbits(32))


def new_request_id() -> str:
    """Return 32 hexadecimal digits that no other request has."""
    return f"{_PROCESS}{next(_count):016x}"


# What every LogRecord has, in this order and before all else; then what formatters and uvicorn add. Anything else in a
# record came through `extra`.
_FIRST = len(vars(logging.makeLogRecord({})))
_ADDED = frozenset({"message", "asctime", "taskName", "color_message"})

# `json.dumps` makes a new encoder for each line when it is given a `default`: 3 % again, together with the time below.
_encode = json.JSONEncoder(default=str).encode


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    later = itertools.islice(vars(record).items(), _FIRST, None)
    return {name: value for name, value in later if name not in _ADDED}


@lru_cache(maxsize=1)
def _utc(second: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))


class JsonFormatter(logging.Formatter):
    """One JSON object a line, for machines."""

    def format(self, record: logging.LogRecord) -> str:
        """Render a record; the time is UTC."""
        line = {
            "time": f"{_utc(int(record.created))}.{int(record.msecs):03d}Z",
            "level": record.levelname,
            "logger": record.name,
            "event": record.getMessage(),
            "request_id": request_id.get(),
            **_fields(record),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return _encode(line)


class TextFormatter(logging.Formatter):
    """One readable line, for a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """Render a record in local time, its fields as name=value."""
        fields = "".join(f" {name}={value}" for name, value in _fields(record).items())
        line = f"{self.formatTime(record, '%H:%M:%S')} {record.levelname:<7} {record.getMessage()}{fields}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def configure_logging(settings: Settings) -> None:
    """Send every logger, uvicorn's too, through one formatter to standard error and LOG_FILE."""
    # No line shows where its record was made, and looking that up costs 3 % of a small request. These switches are the
    # ones that the logging HOWTO names under "Optimization".
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    style = settings.log_format or ("text" if settings.development else "json")
    handlers: dict[str, dict[str, Any]] = {"console": {"class": "logging.StreamHandler", "formatter": style}}
    if settings.log_file:
        handlers["file"] = {
            "class": "logging.handlers.WatchedFileHandler",
            "filename": settings.log_file,
            "formatter": style,
        }
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"text": {"()": TextFormatter}, "json": {"()": JsonFormatter}},
            "handlers": handlers,
            "root": {"handlers": list(handlers), "level": settings.log_level},
            # Ours has the request id and costs less than uvicorn's line; httpx would log every JWKS fetch.
            "loggers": {name: {"level": "WARNING"} for name in ("uvicorn.access", "httpx", "httpcore", "alembic")},
        }
    )
