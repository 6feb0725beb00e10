"""Bounds that uvicorn leaves open, for a service without a careful proxy in front of it.

How large a request's head may be and how long it may take, how many requests may be pipelined, how long a client may
refuse to read. The application answers also here (`http.middleware.Refusals`), so that a refusal has its id, its log
line and its CORS headers like every other answer. Bodies are bounded in `http/body_limit.py`.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from src.http.middleware import REFUSAL
from src.server.corked import Corked
from src.server.parser import Parser

MAX_HEAD = 32 * 1024  # bytes
HEAD_SECONDS = 10.0
MAX_FRAMING = 1024 * 1024  # bytes around and after a body: chunk sizes, trailers, what comes after the answer
MAX_PIPELINED = 128  # requests; each costs some kilobytes as soon as it is parsed
STALLED_SECONDS = 20.0
LEAVE_SECONDS = 1.0  # after SIGTERM, for a request that is on its way

_LINE = len(b": \r\n")  # what a line of a head has besides its name and value
_LARGE_HEAD = (431, "Request head is larger than 32 KiB")
_LARGE_BODY = (413, "Request is too large")


class GuardedProtocol(HttpToolsProtocol):
    """One client's connection."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.parser: Parser = Parser(self)
        self._in_head = True
        self._leaving = False
        self._refused = False  # what comes now is not read
        self._fresh = False  # whether the last request began in the piece that is parsed: no task of it has run yet
        self._head_size = 0  # of what is parsed; `_received` counts a head only that comes in several pieces
        self._received = 0  # of this head, or around this body
        self._begun = self._apart = 0  # requests, and bytes of bodies, in the piece that is parsed
        self._unread = 0  # bytes in it of a body whose request is answered
        self._head_timer: asyncio.TimerHandle | None = None
        self._reading_timer: asyncio.TimerHandle | None = None
        self._answering: RequestResponseCycle | None = None  # known only while requests are pipelined

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Expect the first request."""
        super().connection_made(transport)
        self._corked = Corked(transport, self.loop)
        self.transport = self._corked  # type: ignore[assignment]  # it can do all that is asked of one
        self._start_head_timer()

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
        if self._refused:
            self._throw_away(len(data))
            return
        self._begun = self._apart = self._unread = 0
        self._fresh = False
        super().data_received(data)
        if self._refused:
            return
        # Of several requests in one piece the last may have half a head, and where that began is not known: its size is
        # counted from the next piece on.
        self._received += len(data) - self._apart if self._begun < 2 else 1
        if self._received > (MAX_HEAD if self._in_head else MAX_FRAMING):
            self._refuse(*(_LARGE_HEAD if self._in_head else _LARGE_BODY))
        elif not self._head_timer and (self._in_head or self._is_answered()):
            # Any byte ends uvicorn's time of an idle connection, also one that begins no request.
            self._start_head_timer()

    def _throw_away(self, size: int) -> None:
        """Take what a refused client still sends, so that it comes to read why; not without end."""
        self._received += size
        if self._received > MAX_FRAMING:
            self.flow.pause_reading()

    def _is_answered(self) -> bool:
        return self.cycle is not None and self.cycle.response_complete and not self.pipeline

    def on_message_begin(self) -> None:
        """Start to count a head."""
        if self.parser.rereading:
            return
        super().on_message_begin()
        self._in_head, self._received, self._head_size = True, 0, 0
        self._begun += 1
        self._apart += self._unread

    def on_url(self, url: bytes) -> None:
        """Count the address."""
        if not self.parser.rereading:
            super().on_url(url)
            self._head_size += len(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count a line of the head; a trailer is none, and must not become one (RFC 9110, section 6.5.1)."""
        if self._in_head:
            super().on_header(name, value)
            self._head_size += len(name) + len(value) + _LINE

    def on_headers_complete(self) -> None:
        """Start the request, or queue it behind the ones before it."""
        if self.parser.rereading:
            return
        if len(self.pipeline) >= MAX_PIPELINED:
            raise ValueError("too many pipelined requests")  # the parser reports it to `send_400_response`
        before = self.cycle
        super().on_headers_complete()
        self._note_answering(before)
        self.parser.head_read(self.headers)
        self._in_head, self._received, self._fresh = False, 0, True
        self._forget_head_timer()
        if self._leaving:
            self.cycle.keep_alive = False
        if self._head_size > MAX_HEAD:
            self._refuse(*_LARGE_HEAD)

    def on_body(self, body: bytes) -> None:
        """Leave the body out of the count, unless its request is answered and nobody will read it."""
        if self.cycle.response_complete:
            self._unread += len(body)
        else:
            self._apart += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Have the request know that its body is complete; not where llhttp has left one unread."""
        if not self.parser.framing:
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """Read on only when no other request waits; uvicorn would take in more with every answer."""
        self._answering = self.pipeline[-1][0] if self.pipeline else None
        super().on_response_complete()
        # An idle connection may live long, but not one whose last answer is not read: what of it is not taken is known
        # when it was written, at the end of this turn.
        self.loop.call_soon(self._watch_reading)
        if self.pipeline:
            self.flow.pause_reading()

    def pause_writing(self) -> None:
        """Watch a client that does not read."""
        super().pause_writing()
        self._watch_reading()

    def shutdown(self) -> None:
        """Answer one more request; uvicorn would reset a connection without one, though it may be on its way."""
        self._leaving = True
        if self.cycle:
            self.cycle.keep_alive = False
        self.loop.call_later(LEAVE_SECONDS, super().shutdown)

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP like every other error."""
        large = self._in_head and self._head_size > MAX_HEAD  # as an address that is too long for the parser
        self._refuse(*(_LARGE_HEAD if large else (400, msg)))

    def _watch_reading(self) -> None:
        if not self._reading_timer and self._corked.unread():
            self._reading_timer = self.loop.call_later(STALLED_SECONDS, self._look_at_reading, self._corked.taken())

    def _look_at_reading(self, taken: int) -> None:
        self._reading_timer = None
        if self._corked.unread() and self._corked.taken() == taken:
            self.transport.abort()
        else:
            self._watch_reading()

    def _note_answering(self, before: RequestResponseCycle | None) -> None:
        """Remember who is answered now, with the first request that waits behind that one."""
        if len(self.pipeline) == 1:
            self._answering = before

    def _start_head_timer(self) -> None:
        self._head_timer = self.loop.call_later(HEAD_SECONDS, self._head_too_slow)

    def _forget_head_timer(self) -> None:
        if self._head_timer:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_too_slow(self) -> None:
        self._head_timer = None
        if self.flow.read_paused:  # by this side, while others are answered
            self._start_head_timer()
        elif self._received and self._in_head:
            self._refuse(408, "Request was not sent in time")
        else:
            self.transport.close()

    def _refuse(self, status: int, detail: str) -> None:
        """Answer in the application's place: after what was asked before, and nothing that comes behind it."""
        if self._refused or self.transport.is_closing():
            return
        self._refused = True
        self._forget_head_timer()
        begun = not self._fresh and not (self.pipeline and self.pipeline[0][0] is self.cycle)
        if begun and not self._in_head:
            self.transport.close()  # a refusal would break into an answer, or be the second one
            return
        self._corked.lingering = True
        if self._in_head:
            self._answer(self._scope_so_far(), (status, detail))
        else:
            self.cycle.scope["state"][REFUSAL] = (status, detail)
            self.cycle.keep_alive = False

    def _answer(self, scope: Any, refusal: tuple[int, str]) -> None:
        scope["state"][REFUSAL] = refusal
        before = self.cycle
        self.cycle = RequestResponseCycle(
            scope=scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=False,
            keep_alive=False,
            on_response=lambda: None,
        )
        if before and not before.response_complete:
            self.pipeline.appendleft((self.cycle, self.app))
            self._note_answering(before)
            return
        task = self.loop.create_task(self.cycle.run_asgi(self.app))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def _scope_so_far(self) -> Any:
        """Return a scope for a head of which only the beginning was read, or nothing; it may have an Origin already."""
        if self.scope is None:
            self.on_message_begin()
        return {**self.scope, "method": "GET", "path": "/", "raw_path": b"/", "query_string": b""}
