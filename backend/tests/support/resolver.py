"""A resolver that does not answer, and a system without a thread left to ask it."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def hanging_resolver(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str | bytes]]:
    """Let `socket.getaddrinfo` hang as long as the block runs; gives the names that it was asked for."""
    asked: list[str | bytes] = []
    answer = threading.Event()

    def hang(name: str | bytes, *_: object, **__: object) -> None:
        asked.append(name)
        answer.wait(30)
        raise OSError

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    try:
        yield asked
    finally:
        answer.set()


@contextmanager
def no_thread_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let no thread start as long as the block runs."""

    def fail(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", fail)
        yield
