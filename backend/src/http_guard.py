"""Bounds that uvicorn leaves open, for a service without a careful proxy in front of it.

How large a request's head may be and how long it may take, how many requests may be pipelined, how long a client may
refuse to read. Bodies are bounded in `body_limit.py`, where the answer still gets its CORS headers. Rank 5.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from src import log
from src.corked import Corked
from src.problems import problem

MAX_HEAD = 32 * 1024  # bytes; a token of the largest accepted size needs 8 KiB
HEAD_SECONDS = 10.0
MAX_FRAMING = 1024 * 1024  # bytes around and after a body: chunk sizes, trailers, what comes after the answer
MAX_PIPELINED = 128  # requests; each costs some kilobytes as soon as it is parsed
STALLED_SECONDS = 20.0
LEAVE_SECONDS = 1.0  # after SIGTERM, for a request that is on its way


class GuardedProtocol(HttpToolsProtocol):
    """One client's connection."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._in_head = True
        self._leaving = False
        self._received = 0  # of this head, or around this body
        self._head_timer: asyncio.TimerHandle | None = None
        self._reading_timer: asyncio.TimerHandle | None = None
        self._answering: RequestResponseCycle | None = None  # known only while requests are pipelined

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Expect the first request."""
        super().connection_made(transport)
        self.transport = Corked(transport, self.loop)  # type: ignore[assignment]  # it can do all that is asked of one
        self._head_timer = self.loop.call_later(HEAD_SECONDS, self._head_too_slow)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timers, which would keep this object alive."""
        super().connection_lost(exc)
        if self._answering:
            self._answering.disconnected = True  # uvicorn tells only the request that came last
        for timer in (self._head_timer, self._reading_timer):
            if timer:
                timer.cancel()

    def data_received(self, data: bytes) -> None:
        """Parse what came, then see that it is not too much."""
        super().data_received(data)
        self._received += len(data)
        if self._received > (MAX_HEAD if self._in_head else MAX_FRAMING):
            self._refuse(431 if self._in_head else 413, "Request is too large")
        elif self._in_head and not self._head_timer:
            self._head_timer = self.loop.call_later(HEAD_SECONDS, self._head_too_slow)

    def on_message_begin(self) -> None:
        """Start to count a head."""
        super().on_message_begin()
        self._in_head, self._received = True, 0

    def on_headers_complete(self) -> None:
        """Start the request, or queue it behind the ones before it."""
        if len(self.pipeline) >= MAX_PIPELINED:
            raise ValueError("too many pipelined requests")  # which the parser reports, and uvicorn answers with 400
        if not self.pipeline and self.cycle and not self.cycle.response_complete:
            self._answering = self.cycle
        self._in_head, self._received = False, 0
        if self._head_timer:
            self._head_timer.cancel()
            self._head_timer = None
        super().on_headers_complete()
        if self._leaving:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """Leave the body out of the count, unless its request is answered and nobody will read it."""
        if not self.cycle.response_complete:
            self._received -= len(body)
        super().on_body(body)

    def on_response_complete(self) -> None:
        """Read on only when no other request waits; uvicorn would take in more with every answer."""
        self._answering = self.pipeline[-1][0] if self.pipeline else None
        super().on_response_complete()
        if self.pipeline:
            self.flow.pause_reading()

    def pause_writing(self) -> None:
        """Watch a client that does not read."""
        super().pause_writing()
        self._watch_reading()

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection, also when the client has not read the last answer."""
        super().timeout_keep_alive_handler()
        self._watch_reading()

    def shutdown(self) -> None:
        """Answer one more request; uvicorn would reset a connection without one, though it may be on its way."""
        self._leaving = True
        if self.cycle:
            self.cycle.keep_alive = False
        self.loop.call_later(LEAVE_SECONDS, super().shutdown)

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP like every other error."""
        self._refuse(400, msg)

    def _watch_reading(self) -> None:
        unread = self.transport.get_write_buffer_size()
        if unread and not self._reading_timer:
            self._reading_timer = self.loop.call_later(STALLED_SECONDS, self._look_at_reading, unread)

    def _look_at_reading(self, unread: int) -> None:
        self._reading_timer = None
        if self.transport.get_write_buffer_size() >= unread:
            self.transport.abort()
        else:
            self._watch_reading()

    def _head_too_slow(self) -> None:
        self._head_timer = None
        if self._received:
            self._refuse(408, "Request was not sent in time")
        else:
            self.transport.close()

    def _refuse(self, status: int, detail: str) -> None:
        if self.transport.is_closing():
            return
        if not self.cycle or self.cycle.response_complete:  # else it would break into an answer under way
            log.request_id.set(log.new_request_id())
            response = problem(status, detail, {"Connection": "close", "X-Request-ID": log.request_id.get()})
            head = b"".join(name + b": " + value + b"\r\n" for name, value in response.raw_headers)
            self.transport.write(STATUS_LINE[status] + head + b"\r\n" + bytes(response.body))
        self.transport.close()
