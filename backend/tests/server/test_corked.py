"""What is written in one turn of the event loop travels as one piece, and nothing of it is lost."""

import socket
import struct
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from tests.support.server import Service
from tests.support.tokens import make_token
from tests.support.wire import read_head, rendered

SEGMENTS_RECEIVED = 152  # where tcpi_data_segs_in is in Linux's struct tcp_info


@pytest.fixture
def connection(service: Service) -> Iterator[socket.socket]:
    address = urlsplit(service.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as connected:
        yield connected


def segments(connection: socket.socket) -> int:
    """Return how many TCP segments with data this socket has received."""
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
    return int(struct.unpack_from("I", info, SEGMENTS_RECEIVED)[0])


def test_head_and_body_are_one_segment(connection: socket.socket, user: str) -> None:
    for answers in range(1, 4):
        connection.sendall(rendered("GET", f"/api/{user}/tasks", make_token(user)))
        assert read_head(connection).startswith(b"http/1.1 200")
        assert segments(connection) == answers


def test_an_answer_without_a_body_is_not_held_back(connection: socket.socket) -> None:
    connection.sendall(rendered("HEAD", "/health"))
    assert connection.recv(65536).endswith(b"\r\n\r\n")


def test_an_answer_that_ends_the_connection_is_sent_before_it(connection: socket.socket) -> None:
    connection.sendall(rendered("GET", "/health", Connection="close"))
    received = b""
    while data := connection.recv(65536):
        received += data
    assert received.endswith(b'{"status":"ok"}')


def test_who_waits_for_leave_to_send_the_body_gets_it(connection: socket.socket, user: str) -> None:
    head, body = rendered("POST", f"/api/{user}/tasks", make_token(user), {"title": "x"}, Expect="100-continue").split(
        b"\r\n\r\n"
    )
    connection.sendall(head + b"\r\n\r\n")
    assert connection.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
    connection.sendall(body)
    assert read_head(connection).startswith(b"http/1.1 201")
