"""The two forms of a line: readable text for people, one JSON object for machines."""

import itertools
import json
import logging
import time
from functools import lru_cache
from typing import Any

from src.log.request import this_request

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
            "request_id": this_request().id,
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
