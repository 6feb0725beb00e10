"""The two forms of a line: readable text for people, one JSON object for machines.

In either a line stays one line whatever clients send: JSON escapes what is not ASCII, text what cannot be printed.
"""

import itertools
import json
import logging
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from src.log.request import this_request

# Bytes of a line, whatever clients send, so that none of them fills a disk or the queue of lines; but for what the
# service itself has to say at length.
MAX_LINE = 690
# What clients choose, and how many characters of such a line it may take; shorter than that, nothing is cut. Where all
# of it and the rare fields meet, that is still too much, and each has half of it.
_CHOSEN = {"method": 16, "path": 160, "user_id": 160, "client": 64}
_CUT = "..."

# What every LogRecord has, in this order and before all else; then what formatters and uvicorn add. Anything else in a
# record came through `extra`.
_FIRST = len(vars(logging.makeLogRecord({})))
_ADDED = frozenset({"message", "asctime", "taskName", "color_message"})

# `json.dumps` makes a new encoder for each line when it is given a `default`: 3 % again, together with the time below.
_encode = json.JSONEncoder(default=str).encode

Fields = dict[str, Any]


def _fields(record: logging.LogRecord) -> Fields:
    later = itertools.islice(vars(record).items(), _FIRST, None)
    return {name: value for name, value in later if name not in _ADDED}


def _bounded(write: Callable[[Fields], str], fields: Fields) -> str:
    """Write a line, with what clients have chosen cut as far as its length asks for."""
    line = write(fields)
    for part in (1, 2):
        if len(line.encode("utf-8", "backslashreplace")) <= MAX_LINE:  # a letter may be four bytes
            break
        line = write(_shortened(fields, part))
    return line


def _shortened(fields: Fields, part: int) -> Fields:
    """Cut what clients have chosen, counted as JSON writes it: up to twelve characters for one of theirs."""
    return {name: _cut(value, _CHOSEN[name] // part) if name in _CHOSEN else value for name, value in fields.items()}


def _cut(value: Any, room: int) -> Any:
    if not isinstance(value, str) or len(_encode(value)) <= room:
        return value
    lengths = itertools.accumulate(len(_encode(character)) - 2 for character in value)  # without the quotes
    kept = sum(1 for _ in itertools.takewhile(lambda length: length <= room - len(_CUT), lengths))
    return value[:kept] + _CUT


@lru_cache(maxsize=1)
def _utc(second: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))


class JsonFormatter(logging.Formatter):
    """One JSON object a line, for machines."""

    def format(self, record: logging.LogRecord) -> str:
        """Render a record; the time is UTC."""
        line: Fields = {
            "time": f"{_utc(int(record.created))}.{int(record.msecs):03d}Z",
            "level": record.levelname,
            "logger": record.name,
            "event": record.getMessage(),
            "request_id": this_request().id,
            **_fields(record),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return _bounded(_encode, line)


class TextFormatter(logging.Formatter):
    """One readable line, for a terminal; a traceback follows it, indented, so that it cannot pass for lines."""

    def format(self, record: logging.LogRecord) -> str:
        """Render a record in local time, its fields as name=value."""
        fields = {**_fields(record), "request_id": this_request().id}
        head = f"{self.formatTime(record, '%H:%M:%S')} {record.levelname:<7} {printable(record.getMessage())}"
        line = _bounded(lambda shown: head + _named(shown), fields)
        if record.exc_info:
            lines = self.formatException(record.exc_info).split("\n")
            line = "\n  ".join([line, *map(printable, lines)])
        return line


def _named(fields: Fields) -> str:
    return "".join(f" {name}={_value(str(value))}" for name, value in fields.items() if value is not None)


def _value(text: str) -> str:
    """Return a value in quotes where it could be taken for more than one."""
    if text and text.isascii() and text.isprintable() and not _TELLING.intersection(text):
        return text
    return printable(json.dumps(text, ensure_ascii=False))


_TELLING = frozenset(' "=\\')


def printable(text: str) -> str:
    r"""Return a text with escapes for what is no letter or sign: line ends, U+2028, what steers a terminal."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)
