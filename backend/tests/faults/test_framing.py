"""Where a request ends, whatever it offers, appends or gets wrong: what belongs to it counts, and nothing else does."""

import json
import re
import socket
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import httpx
import pytest

from src.server.http_guard import MAX_HEAD, MAX_PIPELINED
from tests.faults.conftest import SHARED
from tests.support.postgres_server import Postgres
from tests.support.processes import ServiceProcess
from tests.support.tokens import bearer, make_token
from tests.support.wire import ORIGIN, rendered

H2C = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": "AAMAAABkAARAAAAA"}
WEBSOCKET = {"Connection": "keep-alive, Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
OFFERS = pytest.mark.parametrize("offer", [H2C, WEBSOCKET], ids=["h2c", "websocket"])
CHUNKED = {"Transfer_Encoding": "chunked", "Content_Type": "application/json"}


@pytest.fixture
def user() -> str:
    return uuid.uuid4().hex


@pytest.fixture
def token(user: str) -> str:
    return make_token(user)


@pytest.fixture
def tasks(service: ServiceProcess, user: str, token: str) -> Callable[[], list[dict[str, Any]]]:
    def read() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = httpx.get(f"{service.url}/api/{user}/tasks", headers=bearer(token)).json()
        return found

    return read


def exchange(service: ServiceProcess, *pieces: bytes, answers: int) -> list[tuple[int, bytes]]:
    """Send pieces, each in a segment of its own; return so many answers, and see that there are no more."""
    received = b""
    with socket.create_connection(("127.0.0.1", service.port), timeout=10) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            client.sendall(piece)
            time.sleep(0.1)
        with suppress(TimeoutError):
            while data := client.recv(65536):
                received += data
                client.settimeout(0.5 if received.count(b"HTTP/1.1 ") >= answers else 10)
    found = re.split(rb"(?=HTTP/1\.1 [0-9]{3} )", received)[1:]
    assert len(found) == answers, received
    return [(int(answer[9:12]), answer) for answer in found]


def offering(method: str, path: str, token: str, offer: dict[str, str], body: object = None) -> bytes:
    return rendered(method, path, token, body, **{name.replace("-", "_"): value for name, value in offer.items()})


@OFFERS
@pytest.mark.parametrize("form", ["in one segment", "apart", "chunked, in one segment", "chunked, apart"])
def test_the_body_of_a_request_that_offers_another_protocol_is_its_body(
    service: ServiceProcess, user: str, tasks: Callable[[], Any], offer: Any, form: str
) -> None:
    body = b'{"title": "GET /nowhere HTTP/1.1"}'
    head = offering("POST", f"/api/{user}/tasks", make_token(user), offer, {}).partition(b"Content-Length")[0]
    if "chunked" in form:
        head += b"Transfer-Encoding: chunked\r\n\r\n"
        body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    else:
        head += b"Content-Length: %d\r\n\r\n" % len(body)
    following = rendered("GET", "/health", X_Request_ID="following")
    pieces = (head, body + following) if "apart" in form else (head + body + following,)
    created, healthy = exchange(service, *pieces, answers=2)
    assert (created[0], healthy[0]) == (201, 200)
    assert b"x-request-id: following" in healthy[1]
    assert [task["title"] for task in tasks()] == ["GET /nowhere HTTP/1.1"]


@OFFERS
@pytest.mark.parametrize("length", [0, 2])
@pytest.mark.parametrize("apart", [False, True], ids=["in one segment", "apart"])
def test_an_offer_on_a_connection_that_ends_with_it_is_answered(
    service: ServiceProcess, user: str, offer: Any, length: int, apart: bool
) -> None:
    """At once: llhttp takes nothing more from such a connection, and a body that does not come is waited for."""
    ending = {**offer, "Connection": f"close, {offer['Connection']}"}
    head = offering("POST", f"/api/{user}/tasks", make_token(user), ending)[:-2]
    head += b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % length
    for request in (head, head.replace(b" HTTP/1.1\r\n", b" HTTP/1.0\r\n")):
        started = time.monotonic()
        pieces = (request, b"{}"[:length]) if apart else (request + b"{}"[:length],)
        assert [status for status, _ in exchange(service, *pieces, answers=1)] == [422]
        assert time.monotonic() - started < 5


@OFFERS
def test_offers_without_a_body_are_requests_like_any_other(service: ServiceProcess, token: str, offer: Any) -> None:
    request = offering("GET", "/health", token, offer)
    assert [status for status, _ in exchange(service, request * 20, answers=20)] == [200] * 20
    empty = request[:-2] + b"Content-Length: 0\r\n\r\n"
    assert [status for status, _ in exchange(service, empty * 20, answers=20)] == [200] * 20


def test_a_request_in_the_body_of_another_is_not_made(
    service: ServiceProcess, user: str, token: str, tasks: Callable[[], Any]
) -> None:
    hidden = rendered("POST", f"/api/{user}/tasks", token, {"title": "smuggled"})
    head = offering("PATCH", f"/api/{user}/tasks/1/complete", token, H2C)[:-2]
    head += b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(hidden)
    for pieces in ((head + hidden,), (head, hidden)):
        assert [status for status, _ in exchange(service, *pieces, answers=1)] == [400]  # a body that is not JSON
    assert tasks() == []


@pytest.mark.parametrize("apart", [False, True], ids=["one segment", "trailers apart"])
def test_a_trailer_is_no_header_of_its_request_nor_of_the_next(
    service: ServiceProcess, user: str, token: str, tasks: Callable[[], Any], apart: bool
) -> None:
    first = rendered("POST", f"/api/{user}/tasks", **CHUNKED) + b'd\r\n{"title":"a"}\r\n0\r\n'
    trailers = f"X-Request-ID: trailer\r\nContent-Encoding: gzip\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
    following = rendered("GET", f"/api/{user}/tasks")
    pieces = (first, trailers, following) if apart else (first + trailers + following,)
    answers = exchange(service, *pieces, answers=2)
    assert [status for status, _ in answers] == [401, 401]
    assert not any(b"x-request-id: trailer" in answer for _, answer in answers)
    assert tasks() == []


@pytest.mark.parametrize("apart", [False, True], ids=["one segment", "apart"])
def test_a_request_whose_body_has_no_end_that_can_be_known_is_refused_and_not_done(
    service: ServiceProcess, user: str, token: str, tasks: Callable[[], Any], apart: bool
) -> None:
    made = httpx.post(f"{service.url}/api/{user}/tasks", headers=bearer(token), json={"title": "stays"}).json()
    delete = rendered("DELETE", f"/api/{user}/tasks/{made['id']}", token, Transfer_Encoding="gzip")
    healthy = rendered("GET", "/health")
    for before in (0, 2):
        pieces = (healthy * before, delete) if apart and before else (healthy * before + delete,)
        answers = exchange(service, *pieces, answers=before + 1)
        assert [status for status, _ in answers] == [200] * before + [400]
        refused = answers[-1][1]
        assert f"access-control-allow-origin: {ORIGIN}".encode() in refused
        assert b"connection: close" in refused
    assert tasks() == [made]


def test_a_chunk_of_no_size_is_refused(service: ServiceProcess, user: str, token: str) -> None:
    request = rendered("POST", f"/api/{user}/tasks", token, **CHUNKED) + b"zz\r\n"
    assert [status for status, _ in exchange(service, request, answers=1)] == [400]


@pytest.mark.parametrize("target", ["a:443", "http://a:b/"])
@pytest.mark.parametrize("before", [0, 1, 3])
def test_what_no_address_is_is_refused_behind_others_too(service: ServiceProcess, target: str, before: int) -> None:
    wrong = rendered("CONNECT" if target == "a:443" else "GET", target)
    answers = exchange(service, rendered("GET", "/health") * before + wrong, answers=before + 1)
    assert [status for status, _ in answers] == [200] * before + [400]
    refused = answers[-1][1]
    assert f"access-control-allow-origin: {ORIGIN}".encode() in refused
    assert json.loads(refused.partition(b"\r\n\r\n")[2])["status"] == 400


def test_an_address_that_is_longer_than_a_head_may_be_is_431(service: ServiceProcess) -> None:
    for size in (MAX_HEAD + 1, 70_000):
        ((status, _),) = exchange(service, rendered("GET", f"/{'x' * size}"), answers=1)
        assert status == 431


def test_what_is_not_http_is_refused_after_what_came_before_it_is_answered(service: ServiceProcess) -> None:
    answers = exchange(service, rendered("GET", "/health") * 3 + b"NOT HTTP AT ALL\r\n\r\n", answers=4)
    assert [status for status, _ in answers] == [200, 200, 200, 400]


def test_too_many_pipelined_requests_are_answered_as_far_as_they_are_taken(service: ServiceProcess) -> None:
    request = rendered("GET", "/health")
    answers = exchange(service, request * (MAX_PIPELINED + 50), answers=MAX_PIPELINED + 2)
    assert [status for status, _ in answers] == [200] * (MAX_PIPELINED + 1) + [400]


def test_the_rest_of_a_body_that_nobody_read_is_no_part_of_the_next_head(service: ServiceProcess) -> None:
    body, following = b"x" * 40_000, rendered("GET", "/health")
    first = rendered("GET", "/health", Content_Length=str(len(body)))
    pieces = (first, body + following[:30], following[30:])
    assert [status for status, _ in exchange(service, *pieces, answers=2)] == [200, 200]


@pytest.mark.stress
def test_half_a_head_behind_a_request_that_takes_long_is_408_in_its_turn(
    service: ServiceProcess, postgres: Postgres, user: str, token: str
) -> None:
    with postgres.connected(SHARED, autocommit=False) as holder:
        holder("LOCK TABLE tasks IN ACCESS EXCLUSIVE MODE")
        # Each waits for as long as a request may; together that is longer than a head may take.
        request = rendered("GET", f"/api/{user}/tasks", token)
        answers = exchange(service, request * 3 + b"GET /health HTTP/1.1\r\nHo", answers=4)
    assert [status for status, _ in answers] == [503, 503, 503, 408]


def test_who_is_refused_while_sending_can_finish_and_read_why(service: ServiceProcess) -> None:
    """To hang up at once would be a reset to who still sends, and the answer may be lost with it."""
    head = rendered("GET", "/health", X_Large="x" * (2 * MAX_HEAD))
    with socket.create_connection(("127.0.0.1", service.port), timeout=10) as client:
        client.sendall(head[: MAX_HEAD + 1000])
        for start in range(MAX_HEAD + 1000, len(head), 8000):
            time.sleep(0.1)
            client.sendall(head[start : start + 8000])
        received = b"".join(iter(lambda: client.recv(65536), b""))
    assert received.startswith(b"HTTP/1.1 431 ")
    assert received.count(b"HTTP/1.1 ") == 1
