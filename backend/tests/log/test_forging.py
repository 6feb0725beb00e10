"""Whatever a client sends, a line of the log is a line of ours, in both forms."""

import json
import re
import socket
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from tests.support.polling import eventually
from tests.support.processes import ServiceProcess
from tests.support.tokens import make_token

# Line ends of Unix, of old Macs and of Unicode, what steers a terminal, and the end of a string in JSON.
EVIL = '\n\r\x0b\x0c\x1c\x85\u2028\u2029\x1b[31m\x07"}{"event": "task deleted"\t'
ENCODED = quote(EVIL, safe="")
LATIN = EVIL.encode("utf-8", "replace").replace(b"\n", b"").replace(b"\r", b"")
TEXT_LINE = re.compile(r"\d\d:\d\d:\d\d (DEBUG|INFO|WARNING|ERROR)  *\S")


@pytest.fixture(params=["json", "text"])
def service(
    database_url: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServiceProcess]:
    log = tmp_path_factory.mktemp("forging") / "service.log"
    process = ServiceProcess(
        database_url, log, log_level="DEBUG", log_format=request.param, forwarded_allow_ips="*", server_timing="true"
    )
    try:
        process.wait_ready()
        yield process
    finally:
        process.cleanup()


def send(service: ServiceProcess, head: bytes, body: bytes = b"") -> None:
    length = b"Content-Length: %d\r\n" % len(body) if body else b""
    with socket.create_connection(("127.0.0.1", service.port), 10) as client:
        client.sendall(head + b"Host: x\r\nConnection: close\r\n" + length + b"\r\n" + body)
        while client.recv(65536):
            pass


def test_nothing_that_is_sent_makes_a_line(service: ServiceProcess) -> None:
    token = b"Authorization: Bearer " + make_token("alice").encode() + b"\r\n"
    evil_token = make_token(EVIL).encode()
    for header in (b"X-Request-ID", b"X-Forwarded-For", b"Origin", b"User-Agent", b"If-Match", b"Idempotency-Key"):
        send(service, b"GET /api/alice/tasks HTTP/1.1\r\n" + token + header + b": " + LATIN + b"\r\n")
    path = ENCODED.encode()
    send(service, b"GET /" + path + b" HTTP/1.1\r\n")
    send(service, b"GET /api/" + path + b"/tasks HTTP/1.1\r\n" + token)
    send(service, b"GET /api/alice/tasks/" + path + b" HTTP/1.1\r\n" + token)
    send(service, b"GET /api/alice/tasks?cursor=" + path + b" HTTP/1.1\r\n" + token)
    send(service, b"GET /api/x/tasks HTTP/1.1\r\nAuthorization: Bearer " + evil_token + b"\r\n")
    send(service, b"GET /api/" + path + b"/tasks HTTP/1.1\r\nAuthorization: Bearer " + evil_token + b"\r\n")
    body = json.dumps({"title": EVIL + "x", "description": EVIL}).encode()
    send(service, b"POST /api/alice/tasks HTTP/1.1\r\n" + token + b"Content-Type: application/json\r\n", body)
    send(service, b"GET /last HTTP/1.1\r\n")
    eventually(lambda: "/last" in service.log.read_text(), 5, "the last request is in the log")
    text = service.log.read_bytes().decode("utf-8")
    lines = text.removesuffix("\n").split("\n")
    assert sum(map(_is_request, lines)) >= 14
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]", text)
    assert all(map(_is_ours, lines))
    assert not any(_says(line, "task deleted") for line in lines)


def _is_ours(line: str) -> bool:
    return isinstance(json.loads(line), dict) if line.startswith("{") else bool(TEXT_LINE.match(line))


def _is_request(line: str) -> bool:
    return _says(line, "request")


def _says(line: str, event: str) -> bool:
    """Whether a line is about this event; in text it stands behind the time and the level."""
    if line.startswith("{"):
        return bool(json.loads(line)["event"] == event)
    return line[8:].split(None, 1)[1].startswith(event + " ")
