"""Refused bodies; how large, slow and endless ones are is in `faults/test_hostile_clients.py`."""

import asyncio

from starlette.types import Message, Receive, Scope, Send

from src.http.body_limit import BodyLimit
from src.http.problems import problem

SCOPE = {"type": "http", "method": "POST", "path": "/", "headers": [(b"content-length", b"1")]}


def test_the_answer_to_a_refused_body_that_has_arrived_waits_for_nothing_more() -> None:
    """The client that gets it is still there, and says nothing: to wait for more takes as long as is allowed."""
    coming: list[Message] = [{"type": "http.request", "body": b"x", "more_body": False}]
    sent: list[Message] = []

    async def receive() -> Message:
        return coming.pop()

    async def send(message: Message) -> None:
        sent.append(message)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await problem(415, "no such thing")(scope, receive, send)

    asyncio.run(BodyLimit(app)(SCOPE, receive, send))
    assert sent[0]["status"] == 415
    assert not sent[-1].get("more_body")
