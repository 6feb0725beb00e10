"""What the service tells who runs it: the lines of its loggers, and what is known of each request.

`request` holds the record of the request under way: whoever learns something adds to it, and the request's line is made
of it; `output` sends the lines of every logger, in one of two `forms`, to standard error and a file. Callers need
`configure_logging` once a process and `this_request`; to say something they use the standard library's `logging`, with
the name of an event and fields: `logger.info("task created", extra={"task_id": 17})`. Tokens, secrets, bodies and
database URLs are never given. May import `config` and `errors`.
"""

from src.log.configuring import configure_logging, finish_logging
from src.log.request import RequestRecord, Traffic, current_request, new_request_id, this_request

__all__ = [
    "RequestRecord",
    "Traffic",
    "configure_logging",
    "current_request",
    "finish_logging",
    "new_request_id",
    "this_request",
]
