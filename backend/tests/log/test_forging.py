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

# Line ends of Unix, of old Macs and of Unicode, what steers a terminal or turns a text round; some in two encodings.
_ENDS = (
    "\n",
    "\r",
    "\r\n",
    "\x0b",
    "\x0c",
    "\x1c",
    "\x85",
    "\u2028",
    "\u2029",
    "\x1b[1A\x1b[2K",
    "\x9b2K",
    "\x07",
    "\0",
)
ENDS = [*(end.encode() for end in (*_ENDS, "\u202e", "\t")), b"\x85", b"\x9b2K", b"\xff"]
# Whole lines as ours, and what would give a line of ours another field.
FORGED = [
    b" user_id=mallory",
    b'" user_id=mallory "',
    b'\\" user_id=mallory',
    b'", "user_id": "mallory',
    b'{"event": "task deleted", "user_id": "mallory"}',
    b"12:00:00 INFO    task deleted user_id=mallory",
]
EVILS = [end + end.join(FORGED) + end for end in ENDS]
HEADERS = (
    b"X-Request-ID",
    b"X-Forwarded-For",
    b"Origin",
    b"User-Agent",
    b"Content-Type",
    b"If-None-Match",
    b"traceparent",
)
_FIELD = re.compile(r' (\w+)=("(?:[^"\\]|\\.)*"|[^\s"=\\]+)')
TEXT_LINE = re.compile(rf"\d\d:\d\d:\d\d (?:DEBUG|INFO|WARNING|ERROR)  *([\w. ]+?)((?:{_FIELD.pattern})*)")
DISTURBING = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


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


def _bearer(user: str) -> bytes:
    return b"Authorization: Bearer " + make_token(user).encode() + b"\r\n"


def _requests(evil: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Heads and bodies that have it in each place."""
    alice, mallory = _bearer("alice"), _bearer(evil.decode("utf-8", "replace")[:200])
    for header in HEADERS:
        yield b"GET /api/alice/tasks HTTP/1.1\r\n" + alice + header + b": x" + evil + b"\r\n", b""
    yield b"GET /api/alice/tasks HTTP/1.1\r\nAuthorization: Bearer " + evil + b"\r\n", b""
    path = quote(evil, safe="").encode()
    for target in (b"/x" + path, b"/x" + evil, b"/api/" + path + b"/tasks", b"/api/alice/tasks?cursor=" + path):
        yield b"GET " + target + b" HTTP/1.1\r\n" + mallory, b""
    yield b"DELETE /api/alice/tasks/" + path + b" HTTP/1.1\r\n" + alice, b""
    yield b"X" + evil + b" / HTTP/1.1\r\n", b""
    text = evil.decode("latin-1")
    head = b"POST /api/alice/tasks HTTP/1.1\r\n" + alice + b"Content-Type: application/json\r\n"
    for body in (json.dumps({"title": text, "description": text, text: text}).encode(), evil):
        yield head, body


def test_nothing_that_is_sent_makes_a_line(service: ServiceProcess) -> None:
    eventually(lambda: "/health/ready" in service.log.read_text(), 5, "the probe is in the log")
    before = len(service.log.read_bytes())
    requests = [request for evil in EVILS for request in _requests(evil)]
    for head, body in requests:
        send(service, head, body)
    send(service, b"GET /last HTTP/1.1\r\n")
    eventually(lambda: "/last" in service.log.read_text(), 5, "the last request is in the log")
    text = service.log.read_bytes()[before:].decode("utf-8")
    assert not DISTURBING.search(text)
    lines = [_read(line) for line in text.removesuffix("\n").split("\n")]
    asked = [line for line in lines if line["event"] == "request" and not line.get("route", "").startswith("/health")]
    assert len(asked) == len(requests) + 1
    events = {line["event"] for line in lines}
    assert "task deleted" not in events
    assert not [line for line in lines if line.get("user_id") == "mallory"]
    # What was sent is there, as a value: so it was not for want of a way that nothing came of it.
    for field in ("path", "client", "user_id"):
        assert [line for line in asked if "user_id=mallory" in line.get(field, "")], field


def _read(line: str) -> dict[str, str]:
    """Read a line of either form, or fail: it must be one of ours to its end, and have each field once."""
    if line.startswith("{"):
        pairs: list[tuple[str, object]] = json.loads(line, object_pairs_hook=list)
    else:
        match = TEXT_LINE.fullmatch(line)
        assert match, line
        pairs = [("event", match[1]), *_FIELD.findall(match[2])]
    assert len({name for name, _ in pairs}) == len(pairs), line
    return {name: str(value) for name, value in pairs if value is not None}
