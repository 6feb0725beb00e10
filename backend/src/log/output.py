"""Where lines go: standard error and LOG_FILE."""

import logging
import logging.config
from typing import Any

from src.config import Settings
from src.log.forms import JsonFormatter, TextFormatter


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
